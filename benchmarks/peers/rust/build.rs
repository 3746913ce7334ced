// SPDX-License-Identifier: Apache-2.0
//! Finds libmemstore by pkg-config; PKG_CONFIG_PATH says where that of `./dev install` is.

fn main() {
    let library = pkg_config::Config::new().probe("memstore").expect("memstore.pc, by PKG_CONFIG_PATH");
    for path in library.link_paths {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", path.display());
    }
}
