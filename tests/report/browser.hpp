#pragma once

// Chromium, where there is one: opens a page at several widths and says what is wrong with it.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mien/io/file.hpp"

namespace testing {

/// The browser's command; empty where there is none. The environment's MIEN_BROWSER goes before all others.
inline std::string browser() {
  if (const char* const told = std::getenv("MIEN_BROWSER"); told != nullptr && *told != '\0') return told;
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
    if (std::system((std::string("command -v ") + name + " >/dev/null 2>&1").c_str()) == 0) return name;
  return "";
}

/// If there is none, says that the test is skipped, which ctest then counts.
inline bool browser_is_installed() {
  if (!browser().empty()) return true;
  MESSAGE("skipped: there is no chromium on this machine");
  return false;
}

/// A page as it is in a window of a width.
struct SeenWidth {
  int width = 0;
  int page_width = 0;  ///< more than `width` if the page has to be scrolled sideways
  int sections = 0;
  int broken_pictures = 0;
  bool dark = false;
  std::string cut_off;  ///< words of drawings that reach beyond them
};

struct Inspection {
  std::vector<SeenWidth> widths;  ///< of phones, tablets and desks
  std::string messages;           ///< the console's
};

/// Opens a page in frames of several widths. What has no access to a network fails here as well.
inline Inspection inspect(const std::string& html, const std::filesystem::path& folder, bool dark) {
  // The page as it is, but for a script that measures it and tells the page around it.
  const std::string script = R"js(<script>
addEventListener('load', () => {
  const cut = [];
  for (const text of document.querySelectorAll('svg text')) {
    const own = text.getBoundingClientRect(), all = text.closest('svg').getBoundingClientRect();
    if (own.left < all.left - 1 || own.right > all.right + 1 || own.top < all.top - 1 || own.bottom > all.bottom + 1)
      cut.push(text.textContent);
  }
  parent.postMessage({
    width: innerWidth,
    page_width: document.documentElement.scrollWidth,
    sections: document.querySelectorAll('section').length,
    broken_pictures: [...document.images].filter(image => image.loading !== 'lazy' && !image.naturalWidth).length,
    dark: matchMedia('(prefers-color-scheme:dark)').matches,
    cut_off: cut.join('; ')
  }, '*');
});</script></body>)js";
  std::string measured = html;
  const std::size_t end = measured.rfind("</body>");
  REQUIRE(end != std::string::npos);
  measured.replace(end, 7, script);
  mien::io::write_file(folder / "page.html", measured);
  const std::string around = R"html(<!DOCTYPE html><title>around</title><pre></pre><script>
const seen = [];
addEventListener('message', event => {
  seen.push(event.data);
  document.querySelector('pre').textContent = 'seen:' + JSON.stringify(seen) + ':seen';
});
for (const width of [320, 390, 768, 1280]) {
  const frame = document.createElement('iframe');
  frame.style = `border:0;width:${width}px;height:800px`;
  frame.src = 'page.html';
  document.body.append(frame);
}</script>)html";
  mien::io::write_file(folder / "around.html", around);
  const std::string at = folder.string();
  const std::string command = "HOME='" + at + "' timeout 250 " + browser() +
                              " --headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars"
                              " --user-data-dir='" +
                              at + "/profile' --blink-settings=preferredColorScheme=" + (dark ? "0" : "1") +
                              " --virtual-time-budget=10000 --enable-logging=stderr --dump-dom"
                              " 'file://" +
                              at + "/around.html' >'" + at + "/out' 2>'" + at + "/err'";
  REQUIRE(std::system(command.c_str()) == 0);

  Inspection out;
  const std::string said = mien::io::read_text(folder / "err");
  for (std::size_t line = said.find(":CONSOLE"); line != std::string::npos; line = said.find(":CONSOLE", line + 1))
    out.messages += said.substr(line, said.find('\n', line) - line) + "\n";
  const std::string shown = mien::io::read_text(folder / "out");
  const std::size_t begin = shown.find("seen:");
  REQUIRE_MESSAGE(begin != std::string::npos, shown.substr(0, 2000));
  for (const auto& one : nlohmann::json::parse(shown.substr(begin + 5, shown.find(":seen", begin) - begin - 5)))
    out.widths.push_back({one.at("width"), one.at("page_width"), one.at("sections"), one.at("broken_pictures"),
                          one.at("dark"), one.at("cut_off")});
  return out;
}

}  // namespace testing
