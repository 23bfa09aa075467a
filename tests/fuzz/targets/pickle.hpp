#pragma once

#include <mien/io/pytorch_archive.hpp>

#include "fuzz/targets/safetensors.hpp"
#include "io/stored_zip.hpp"

namespace mien::fuzzing {

/// The pickle of an archive whose checksums are right, with two storages.
inline const Target pickle_target{
    [](Bytes bytes) {
      const std::string archive = testing::stored_zip(
          {{"a/data.pkl", text_of(bytes)}, {"a/data/0", std::string(24, '\1')}, {"a/data/1", std::string(16, '\2')}});
      use(io::PytorchArchive::parse(copy_of(bytes_of(archive))));
    },
    [] {
      const auto word = [](const std::string& text) { return "X" + testing::little_endian(text.size(), 4) + text; };
      const std::string storage = "(" + word("storage") + "ctorch\nFloatStorage\n" + word("0") + word("cpu") + "K\6tQ";
      const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n(" + storage +
                                 "K\1K\2K\2\x86K\2K\1\x86\x89"
                                 "ccollections\nOrderedDict\n)RtR";
      const std::string protocol = "\x80\2";
      return std::vector{protocol + "}(" + word("w") + tensor + word("epoch") + "K\3" + word("rate") +
                             "G?\xb9\x99\x99\x99\x99\x99\x9a" + word("on") + "\x88u.",
                         protocol + "](" + tensor + "}" + "e.", protocol + "}."};
    },
    {"ctorch._utils\n_rebuild_tensor_v2\n",
     "ctorch._utils\n_rebuild_parameter\n",
     "ctorch\nFloatStorage\n",
     "ctorch\nLongStorage\n",
     "ccollections\nOrderedDict\n",
     "X\7",
     "storage",
     "tQ",
     "tR",
     ")R",
     "\x85",
     "\x86",
     "\x87",
     "\x89",
     "\x88",
     "\x80\2",
     "\x80\4",
     "\x95",
     "\x94",
     "h",
     "j",
     "q",
     "r",
     "u.",
     "s",
     "}(",
     "](",
     "e",
     "a",
     "N",
     "\x8a",
     "\x8c",
     "\x93",
     "J\xff\xff\xff\xff",
     "M",
     "K",
     "G",
     "0",
     "1",
     "2"}};

}  // namespace mien::fuzzing
