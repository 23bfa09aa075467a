#pragma once

#include <mien/io/joint_table.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// A table of joints a frame, with a confidence.
inline const Target joint_table_target{
    [](Bytes bytes) {
      const auto table = io::CsvTable::parse(text_of(bytes));
      for (const io::JointTableColumns& columns :
           {io::JointTableColumns{}, io::JointTableColumns{.frame = "", .subject = "subject", .others = {"age"}}})
        static_cast<void>(io::read_joint_table(table, {.columns = columns, .layout = gesture::JointLayout::other}));
    },
    [] {
      return std::vector{
          std::string("sequence,frame,label,subject,age,x0,x1,y0,y1,c0,c1\na,1,joy,s,30,1,2,3,4,1,0.5\n"
                      "a,0,joy,s,30,1,2,3,,0,0\nb,0,fear,t,31,-1,2e3,3,4,1,1\n")};
    },
    {"sequence", "frame", "label", "subject", "age", "x0", "y0", "c0", "x1", "y1", "c1", "nan", "1e39", "-1", ","}};

}  // namespace mien::fuzzing
