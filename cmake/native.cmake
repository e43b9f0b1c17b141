# One extension module per instruction set, the same sources in each: rmodels/native/__init__.py says which one the
# processor runs. So nothing is tuned for the machine that builds, and no inline function compiled for one set can
# serve another.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
option(RMODELS_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
set(RMODELS_SETS "" CACHE STRING "Instruction sets to build for; empty for all of the architecture")

set(DEVELOPMENT_MODULE Development.Module)
if(SKBUILD_SABI_COMPONENT)
  list(APPEND DEVELOPMENT_MODULE ${SKBUILD_SABI_COMPONENT})
endif()
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter ${DEVELOPMENT_MODULE})
execute_process(
  COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
  OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT)
find_package(nanobind CONFIG REQUIRED)
find_package(Threads REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(SETS baseline avx2 avx512)
  set(FLAGS_avx2 -march=x86-64-v3)
  set(FLAGS_avx512 -march=x86-64-v4 -mavx512vnni -mprefer-vector-width=512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(SETS neon)
else()
  set(SETS baseline)
endif()
if(RMODELS_SETS)
  set(SETS ${RMODELS_SETS})
endif()

# add_native_modules(folder source...): where in the wheel the modules go, and what they are compiled from.
function(add_native_modules FOLDER)
  foreach(SET IN LISTS SETS)
    nanobind_add_module(_${SET} STABLE_ABI NB_STATIC NB_DOMAIN rmodels_${SET} ${ARGN})
    target_include_directories(_${SET} PRIVATE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../src/rmodels")
    target_compile_definitions(_${SET} PRIVATE RMODELS_MODULE=_${SET} RMODELS_ISA=${SET})
    # A product and a sum are fused only where the source says so: rounding is part of the contract.
    target_compile_options(_${SET} PRIVATE -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math
                                           -Wall -Wextra -Wno-psabi ${FLAGS_${SET}})
    target_link_libraries(_${SET} PRIVATE Threads::Threads)
    if(RMODELS_SANITIZE)
      target_compile_options(_${SET} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all -O1 -g1)
      target_link_options(_${SET} PRIVATE -fsanitize=address,undefined)
    endif()
    install(TARGETS _${SET} LIBRARY DESTINATION ${FOLDER})
  endforeach()
endfunction()
