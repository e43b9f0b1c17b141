# The instruction sets that are compiled for, and how: C++ 20.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
option(RMODELS_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
set(RMODELS_OPTIMIZATION -O3 CACHE STRING "How much the compiler optimises; the results are the same")

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
set(RMODELS_SETS "" CACHE STRING "Some of ${SETS}; all if it is empty")
if(RMODELS_SETS)
  set(SETS ${RMODELS_SETS})
endif()

# sanitize(target): with both sanitizers, if RMODELS_SANITIZE asks for them.
function(sanitize TARGET)
  if(RMODELS_SANITIZE)
    # The sizes of objects are AddressSanitizer's to watch, and a second check takes long to compile.
    target_compile_options(${TARGET} PRIVATE -fsanitize=address,undefined -fno-sanitize=object-size
                                             -fno-sanitize-recover=all -O1 -g1)
    target_link_options(${TARGET} PRIVATE -fsanitize=address,undefined)
  endif()
endfunction()

# compile_for(target set): how the sources of an instruction set are compiled.
function(compile_for TARGET SET)
  target_include_directories(${TARGET} PRIVATE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../src/rmodels")
  target_compile_definitions(${TARGET} PRIVATE RMODELS_ISA=${SET})
  # A product and a sum are fused only where the source says so: rounding is part of the contract.
  target_compile_options(${TARGET} PRIVATE ${RMODELS_OPTIMIZATION} -ffp-contract=off -fno-math-errno -fno-trapping-math
                                           -Wall -Wextra -Wno-psabi ${FLAGS_${SET}})
  target_link_libraries(${TARGET} PRIVATE Threads::Threads)
  sanitize(${TARGET})
endfunction()
