#pragma once

#include <mien/io/pytorch_archive.hpp>

#include "fuzz/targets/safetensors.hpp"

namespace mien::fuzzing {

/// Archives as they are: the records' directory, their headers and what is packed.
inline const Target pytorch_archive_target{
    [](Bytes bytes) { use(io::PytorchArchive::parse(copy_of(bytes))); },
    [] {
      std::vector<std::string> out;
      for (const char* name : {"checkpoint.pth", "deflated.pth", "tensors.pt"})
        out.push_back(repository_file(std::string("tests/data/io/pytorch/") + name));
      return out;
    },
    {"PK\1\2", "PK\3\4", "PK\5\6", "PK\6\6", "PK\6\7", "/data.pkl", "/data/0", "/byteorder", "/version"}};

}  // namespace mien::fuzzing
