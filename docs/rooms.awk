# For doxygen: what a header begins with is said of the file, and what it declares belongs to the group of its room.
# No line moves, so that warnings name the right ones.
FNR == 1 {
  room = FILENAME
  sub(/.*include\/mien\//, "", room)
  if (room !~ /\//) room = "core/"
  if (room ~ /^backend\/cuda\//) room = "cuda/"
  sub(/\/.*/, "", room)
}
/^#pragma once/ { after_guard = 1; print; next }
after_guard && /^$/ { after_guard = 0; blank = 1; next }
blank { print ($0 ~ /^\/\/\// ? "/// @file" : ""); blank = 0 }
/^namespace mien[a-z_:]* \{$/ { print $0 " /** @addtogroup " room " */ /** @{ */"; next }
/^\}  \/\/ namespace mien/ { print "/** @} */ " $0; next }
{ print }
