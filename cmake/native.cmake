# One extension module per instruction set, the same sources in each: rmodels/native/__init__.py says which one the
# processor runs. So nothing is tuned for the machine that builds, and no inline function compiled for one set can
# serve another.
include("${CMAKE_CURRENT_LIST_DIR}/instruction_sets.cmake")

set(DEVELOPMENT_MODULE Development.Module)
if(SKBUILD_SABI_COMPONENT)
  list(APPEND DEVELOPMENT_MODULE ${SKBUILD_SABI_COMPONENT})
endif()
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter ${DEVELOPMENT_MODULE})
execute_process(
  COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
  OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT)
find_package(nanobind CONFIG REQUIRED)

# add_native_modules(folder source...): where in the wheel the modules go, and what they are compiled from.
function(add_native_modules FOLDER)
  foreach(SET IN LISTS SETS)
    nanobind_add_module(_${SET} STABLE_ABI NB_STATIC NB_DOMAIN rmodels_${SET} ${ARGN})
    target_compile_definitions(_${SET} PRIVATE RMODELS_MODULE=_${SET})
    compile_for(_${SET} ${SET})
    install(TARGETS _${SET} LIBRARY DESTINATION ${FOLDER})
  endforeach()
endfunction()
