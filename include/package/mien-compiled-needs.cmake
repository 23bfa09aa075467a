# What mien::compiled needs besides mien::mien.
set(mien_compiled_missing "")
