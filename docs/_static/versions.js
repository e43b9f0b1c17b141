// Where the folder above says which versions there are, a choice of them in the place of the version.
for (const place of document.querySelectorAll(".versions")) {
  if (!window.VERSIONS || window.VERSIONS.length < 2) break;
  const choice = document.createElement("select");
  choice.ariaLabel = "Version";
  window.VERSIONS.forEach((version, i) => {
    const chosen = version === place.dataset.version;
    choice.add(new Option(i ? version : `${version} (newest)`, version, chosen, chosen));
  });
  choice.onchange = () => { location.href = `${place.dataset.folders}${choice.value}/index.html`; };
  place.replaceChildren(choice);
}
