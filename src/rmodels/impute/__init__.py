"""Values in the place of missing ones."""

from rmodels.lazy import names_of_family

__all__, __getattr__, __dir__ = names_of_family(__name__)
