#pragma once

/// Words in pictures, for captions: a font of our own, five pixels wide and seven high.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mien/io/image.hpp"

namespace mien::io {
namespace detail {

struct Glyph {
  char character;
  std::string_view rows;  ///< seven rows of five, with a space between
};

// clang-format off
inline constexpr std::array<Glyph, 50> glyphs{{
    {'A', ".###. #...# #...# ##### #...# #...# #...#"},
    {'B', "####. #...# #...# ####. #...# #...# ####."},
    {'C', ".#### #.... #.... #.... #.... #.... .####"},
    {'D', "####. #...# #...# #...# #...# #...# ####."},
    {'E', "##### #.... #.... ####. #.... #.... #####"},
    {'F', "##### #.... #.... ####. #.... #.... #...."},
    {'G', ".#### #.... #.... #.### #...# #...# .####"},
    {'H', "#...# #...# #...# ##### #...# #...# #...#"},
    {'I', ".###. ..#.. ..#.. ..#.. ..#.. ..#.. .###."},
    {'J', "..### ...#. ...#. ...#. ...#. #..#. .##.."},
    {'K', "#...# #..#. #.#.. ##... #.#.. #..#. #...#"},
    {'L', "#.... #.... #.... #.... #.... #.... #####"},
    {'M', "#...# ##.## #.#.# #.#.# #...# #...# #...#"},
    {'N', "#...# ##..# ##..# #.#.# #..## #..## #...#"},
    {'O', ".###. #...# #...# #...# #...# #...# .###."},
    {'P', "####. #...# #...# ####. #.... #.... #...."},
    {'Q', ".###. #...# #...# #...# #.#.# #..#. .##.#"},
    {'R', "####. #...# #...# ####. #.#.. #..#. #...#"},
    {'S', ".#### #.... #.... .###. ....# ....# ####."},
    {'T', "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#.."},
    {'U', "#...# #...# #...# #...# #...# #...# .###."},
    {'V', "#...# #...# #...# #...# .#.#. .#.#. ..#.."},
    {'W', "#...# #...# #...# #.#.# #.#.# ##.## #...#"},
    {'X', "#...# #...# .#.#. ..#.. .#.#. #...# #...#"},
    {'Y', "#...# #...# .#.#. ..#.. ..#.. ..#.. ..#.."},
    {'Z', "##### ....# ...#. ..#.. .#... #.... #####"},
    {'0', ".###. #...# #..## #.#.# ##..# #...# .###."},
    {'1', "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###."},
    {'2', ".###. #...# ....# ..##. .#... #.... #####"},
    {'3', "####. ....# ....# .###. ....# ....# ####."},
    {'4', "...#. ..##. .#.#. #..#. ##### ...#. ...#."},
    {'5', "##### #.... ####. ....# ....# #...# .###."},
    {'6', "..##. .#... #.... ####. #...# #...# .###."},
    {'7', "##### ....# ...#. ..#.. ..#.. .#... .#..."},
    {'8', ".###. #...# #...# .###. #...# #...# .###."},
    {'9', ".###. #...# #...# .#### ....# ...#. .##.."},
    {'.', "..... ..... ..... ..... ..... .##.. .##.."},
    {',', "..... ..... ..... ..... .##.. ..#.. .#..."},
    {':', "..... .##.. .##.. ..... .##.. .##.. ....."},
    {'-', "..... ..... ..... ##### ..... ..... ....."},
    {'+', "..... ..#.. ..#.. ##### ..#.. ..#.. ....."},
    {'_', "..... ..... ..... ..... ..... ..... #####"},
    {'/', "....# ....# ...#. ..#.. .#... #.... #...."},
    {'(', "...#. ..#.. .#... .#... .#... ..#.. ...#."},
    {')', ".#... ..#.. ...#. ...#. ...#. ..#.. .#..."},
    {'%', "##..# ##..# ...#. ..#.. .#... #..## #..##"},
    {'=', "..... ..... ##### ..... ##### ..... ....."},
    {'#', ".#.#. .#.#. ##### .#.#. ##### .#.#. .#.#."},
    {'?', ".###. #...# ....# ...#. ..#.. ..... ..#.."},
    {'!', "..#.. ..#.. ..#.. ..#.. ..#.. ..... ..#.."},
}};
// clang-format on

/// The rows of a character; small letters are drawn as capitals, unknown characters as a question mark.
inline std::string_view glyph_of(char character) {
  const char wanted = character >= 'a' && character <= 'z' ? static_cast<char>(character - 'a' + 'A') : character;
  const auto is = [](char known) { return [known](const Glyph& glyph) { return glyph.character == known; }; };
  const auto found = std::find_if(glyphs.begin(), glyphs.end(), is(wanted));
  return found != glyphs.end() ? found->rows : std::find_if(glyphs.begin(), glyphs.end(), is('?'))->rows;
}

}  // namespace detail

inline constexpr Index text_width = 6;   ///< of a character with the gap behind it, in pixels
inline constexpr Index text_height = 7;  ///< of a line

/// Draws one line with its upper left corner at (x, y), every pixel of the font `scale` pixels large; the three numbers
/// are red, green and blue, of which a grey image takes the mean. There are capitals, digits and a few signs: small
/// letters become capitals, other characters question marks. What lies outside the image is cut off.
/// Throws ValueError for a scale below 1.
inline void draw_text(Image& image, Index x, Index y, std::string_view words,
                      const std::array<std::uint8_t, 3>& colour = {255, 255, 255}, Index scale = 1) {
  detail::check_image_argument(image, "draw_text");
  if (scale < 1 || scale > 1000) throw ValueError(detail::text("draw_text: scale ", scale, " is not 1 to 1000"));
  const auto grey = static_cast<std::uint8_t>((colour[0] + colour[1] + colour[2]) / 3);
  const auto draw_pixel = [&](Index left, Index top) {
    for (Index row = std::max<Index>(top, 0); row < std::min(top + scale, image.height); ++row)
      for (Index column = std::max<Index>(left, 0); column < std::min(left + scale, image.width); ++column)
        for (Index c = 0; c < image.channels; ++c)
          image.at(column, row)[c] = image.channels == 1 ? grey : colour[static_cast<std::size_t>(c)];
  };
  for (const char character : words) {
    if (x >= image.width) return;
    if (character != ' ') {
      const std::string_view rows = detail::glyph_of(character);
      for (Index i = 0; i < static_cast<Index>(rows.size()); ++i)
        if (rows[static_cast<std::size_t>(i)] == '#')
          draw_pixel(x + i % text_width * scale, y + i / text_width * scale);
    }
    x += text_width * scale;
  }
}

}  // namespace mien::io
