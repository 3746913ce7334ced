// SPDX-License-Identifier: Apache-2.0
//! The part of memstore's C ABI that is measured.

use std::ffi::{c_char, c_int, c_void, CString};

#[repr(C)]
struct Config([u8; 0]);
#[repr(C)]
struct Handle([u8; 0]);

extern "C" {
    fn memstore_config_new() -> *mut Config;
    fn memstore_config_free(config: *mut Config);
    fn memstore_config_set(config: *mut Config, key: *const c_char, value: *const c_char) -> c_int;
    fn memstore_open(config: *const Config, out: *mut *mut Handle) -> c_int;
    fn memstore_destroy(store: *mut Handle);
    fn memstore_set(
        store: *mut Handle, key: *const c_void, key_size: usize, value: *const c_void, value_size: usize, ttl: i64,
    ) -> c_int;
    fn memstore_get(
        store: *mut Handle, key: *const c_void, key_size: usize, buffer: *mut c_void, capacity: usize,
        value_size: *mut usize,
    ) -> c_int;
}

const KEY_NOT_FOUND: c_int = -1;

/// A store.
pub struct Store(*mut Handle);

// SAFETY: every function of the library may be called from any thread.
unsafe impl Send for Store {}
unsafe impl Sync for Store {}

impl Store {
    /// Opens a store with these settings.
    pub fn open(settings: &[(&str, String)]) -> Store {
        let mut store = std::ptr::null_mut();
        // SAFETY: the strings live during the calls, and the configuration is freed once.
        unsafe {
            let config = memstore_config_new();
            for (key, value) in settings {
                let (key, value) = (CString::new(*key).unwrap(), CString::new(value.as_str()).unwrap());
                assert_eq!(memstore_config_set(config, key.as_ptr(), value.as_ptr()), 0, "{key:?}");
            }
            assert_eq!(memstore_open(config, &mut store), 0, "memstore_open");
            memstore_config_free(config);
        }
        Store(store)
    }

    /// Copies a value into the buffer. False when there is none.
    pub fn get(&self, key: &[u8], out: &mut Vec<u8>) -> bool {
        let mut size = 0;
        // SAFETY: the buffer has room for its capacity, of which `size` bytes were written when the call succeeds.
        unsafe {
            let status = memstore_get(
                self.0, key.as_ptr().cast(), key.len(), out.as_mut_ptr().cast(), out.capacity(), &mut size,
            );
            if status == KEY_NOT_FOUND {
                return false;
            }
            assert_eq!(status, 0, "memstore_get");
            out.set_len(size);
        }
        true
    }

    /// Stores a value.
    pub fn set(&self, key: &[u8], value: &[u8]) {
        // SAFETY: both slices live during the call.
        let status = unsafe {
            memstore_set(self.0, key.as_ptr().cast(), key.len(), value.as_ptr().cast(), value.len(), 3_600_000)
        };
        assert_eq!(status, 0, "memstore_set");
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle any more.
        unsafe { memstore_destroy(self.0) }
    }
}
