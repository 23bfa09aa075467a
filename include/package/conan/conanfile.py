"""A recipe for Conan 2, which takes the sources that it lies in:

    conan create include/package/conan

Its packages offer mien::mien, and unless the option io is off, mien::io.
"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class MienRecipe(ConanFile):
    name = "mien"
    description = "Header-only C++20 library that reads emotion from faces and bodies"
    license = "MIT"
    topics = ("emotion-recognition", "neural-network", "deep-learning", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"io": [True, False]}
    default_options = {"io": True}
    no_copy_source = True

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._root, "include", "mien", "version.hpp"))
        self.version = ".".join(re.findall(r"#define MIEN_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))

    def export_sources(self):
        copy(self, "LICENSE", src=self._root, dst=self.export_sources_folder)
        copy(self, "include/mien/*", src=self._root, dst=self.export_sources_folder)
        copy(self, "include/package/single_header.cmake", src=self._root, dst=self.export_sources_folder)

    def layout(self):
        basic_layout(self, src_folder=".")

    def requirements(self):
        self.requires("eigen/[>=3.4 <4]", transitive_headers=True)
        if self.options.io:
            self.requires("nlohmann_json/[>=3.10 <4]", transitive_headers=True)
            self.requires("stb/[>=cci.20220909]", transitive_headers=True)
            self.requires("zlib/[>=1.2.13 <2]", transitive_headers=True, transitive_libs=True)

    def build_requirements(self):
        self.tool_requires("cmake/[>=3.25]")

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.settings.clear()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        include = os.path.join(self.package_folder, "include")
        for pattern in ("mien/*.hpp", "mien/*.inc"):
            copy(self, pattern, src=os.path.join(self.source_folder, "include"), dst=include)
        script = os.path.join(self.source_folder, "include", "package", "single_header.cmake")
        single = os.path.join(include, "mien_single.hpp")
        self.run(f'cmake -D "OUTPUT={single}" -P "{script}"')

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "mien")
        base = self.cpp_info.components["core"]
        base.set_property("cmake_target_name", "mien::mien")
        base.set_property("cmake_target_aliases", ["mien::cpu"])
        base.set_property("pkg_config_name", "mien")
        base.requires = ["eigen::eigen"]
        base.bindirs = base.libdirs = []
        if self.settings.get_safe("os") == "Linux":
            base.system_libs = ["pthread"]
        if self.options.io:
            io = self.cpp_info.components["io"]
            io.set_property("cmake_target_name", "mien::io")
            io.set_property("pkg_config_name", "mien-io")
            io.requires = ["core", "nlohmann_json::nlohmann_json", "stb::stb", "zlib::zlib"]
            io.defines = ["MIEN_WITH_IO"]
            io.bindirs = io.libdirs = []
