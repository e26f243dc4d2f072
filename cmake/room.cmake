# One library per room. Usage, in src/<room>/CMakeLists.txt:
#   lyceum_room(git SOURCES repo.cpp pkt_line.cpp DEPS base LIBS ${LIBGIT2} TESTS repo_test.cpp FUZZERS pkt_line_fuzz.cpp)
# DEPS are rooms (must agree with tools/rooms.txt), LIBS are outside libraries. Files are named, never globbed.
# PARSER_FUZZERS name parsers ("hub/lfs_messages": its .cpp and _fuzz.cpp; more sources after +) that need nothing else of their room,
# and of others only PARSER_DEPS, so that their fuzzers do not wait for the rest.
set(lyceum_test_options -O0)  # tests are compiled more often than their own lines run; what they test is optimised
macro(lyceum_heavy_test)        # lyceum_heavy_test(FILE...): the exception, a test that computes much itself
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O2 SKIP_PRECOMPILE_HEADERS ON)
endmacro()
set(lyceum_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Werror)

# What most sources include, compiled once a build: a compiler spends half of its time in these. Only what is outside the project, so that it
# seldom changes. GCC takes a precompiled header only for the same definitions, hence the libraries.
function(lyceum_precompile name)
  cmake_parse_arguments(PCH "" "" "HEADERS;LIBS" ${ARGN})
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cpp CONTENT "namespace {}\n")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cpp)
  target_compile_options(${name} PRIVATE ${lyceum_warnings} -ffp-contract=off)
  target_link_libraries(${name} PRIVATE ${PCH_LIBS})
  target_precompile_headers(${name} PRIVATE ${PCH_HEADERS})
endfunction()

if(LYCEUM_TESTS)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/source_dir.cpp CONTENT [[
#include "base/source_dir.h"
namespace lyceum { const char* const kSourceDir = "@CMAKE_SOURCE_DIR@"; }
]] @ONLY)
  add_library(lyceum_source_dir STATIC ${CMAKE_BINARY_DIR}/source_dir.cpp)
  target_include_directories(lyceum_source_dir PRIVATE ${CMAKE_SOURCE_DIR}/src)
endif()

function(lyceum_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS;LIBS;TESTS;FUZZERS;PARSER_FUZZERS;PARSER_DEPS" ${ARGN})
  set(lib lyceum_${name})
  add_library(${lib} STATIC ${ROOM_SOURCES})
  target_include_directories(${lib} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(${lib} PRIVATE ${lyceum_warnings} -ffp-contract=off)
  target_precompile_headers(${lib} REUSE_FROM lyceum_pch)
  foreach(dep IN LISTS ROOM_DEPS)
    target_link_libraries(${lib} PUBLIC lyceum_${dep})
  endforeach()
  target_link_libraries(${lib} PUBLIC ${ROOM_LIBS})

  if(LYCEUM_TESTS AND ROOM_TESTS)
    add_executable(test_${name} ${ROOM_TESTS})
    target_compile_options(test_${name} PRIVATE ${lyceum_warnings} -ffp-contract=off)
    target_precompile_headers(test_${name} REUSE_FROM lyceum_test_pch)
    target_compile_options(test_${name} PRIVATE ${lyceum_test_options})
    target_link_libraries(test_${name} PRIVATE ${lib} lyceum_source_dir GTest::gtest_main)
    add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()

  if(LYCEUM_FUZZ)
    foreach(source IN LISTS ROOM_FUZZERS)
      get_filename_component(stem ${source} NAME_WE)
      string(REGEX REPLACE "_fuzz$" "" stem ${stem})
      add_executable(fuzz_${stem} ${source})
      target_compile_options(fuzz_${stem} PRIVATE ${lyceum_warnings} -fsanitize=fuzzer)
      target_link_libraries(fuzz_${stem} PRIVATE ${lib} -fsanitize=fuzzer)
    endforeach()
    foreach(parser IN LISTS ROOM_PARSER_FUZZERS)
      string(REPLACE "+" ";" paths ${parser})
      list(GET paths 0 first)
      get_filename_component(stem ${first} NAME)
      list(TRANSFORM paths APPEND .cpp)
      add_executable(fuzz_${stem} ${first}_fuzz.cpp ${paths})
      target_compile_options(fuzz_${stem} PRIVATE ${lyceum_warnings} -fsanitize=fuzzer)
      list(TRANSFORM ROOM_PARSER_DEPS PREPEND lyceum_ OUTPUT_VARIABLE deps)
      target_link_libraries(fuzz_${stem} PRIVATE ${deps} ${ROOM_LIBS} -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()
