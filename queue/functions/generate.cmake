# Joins the Lua files of this folder, in order of their names, into one C++ string.
# cmake -DOUT=<file.cc> -DDIR=<functions> -P generate.cmake
file(GLOB parts ${DIR}/*.lua)
list(SORT parts)
# A string literal has a limit that a library may outgrow: one literal for each file, put together by the compiler.
file(WRITE ${OUT} "#include \"queue/library.h\"\n\nnamespace volley::queue {\nconst char* const kLibrarySource =\n")
foreach(part ${parts})
  file(READ ${part} text)
  file(APPEND ${OUT} "R\"lua(${text})lua\"\n")
endforeach()
file(APPEND ${OUT} ";\n}  // namespace volley::queue\n")
