/* SPDX-License-Identifier: Apache-2.0 */
/* How types cross to Go. What counts is the cost of a crossing:
 *
 * - Bytes go as *byte and int. SWIG's strings and slices are structs that its wrapper takes apart,
 *   and its pointers are void *, which cgo checks at run time for Go pointers behind them. A pointer
 *   to unsigned char cannot have any, so it is not checked.
 * - Handles go as uintptr: they point to C memory, which Go's collector has no part in.
 * - Results come in the return value, or behind a *byte that points to a variable of the caller's.
 *
 * tools/swig-generate.sh adds `#cgo noescape` and `#cgo nocallback` for every function: none keeps a
 * Go pointer beyond the call, and none calls Go. Functions that take a callback or hand out a view are
 * left out below; glue.h has their counterparts. */

/* How the library is found is said by native/link_*.go.
 * SWIG declares all pointers as swig_voidp; this makes them pointers to unsigned char. */
%insert(cgo_comment_typedefs) %{
typedef unsigned char *memstore_bytes;
#define swig_voidp memstore_bytes
%}

%define MEMSTORE_BYTES_IN(POINTER, SIZE)
%apply const void *MEMSTORE_DATA { POINTER };
%enddef
%define MEMSTORE_BYTES_OUT(POINTER, SIZE)
%apply const void *MEMSTORE_DATA { POINTER };
%enddef

%typemap(gotype) const void *MEMSTORE_DATA "*byte"
%typemap(imtype) const void *MEMSTORE_DATA "*C.uchar"
%typemap(goin) const void *MEMSTORE_DATA "$result = (*C.uchar)($input)"
%typemap(in) const void *MEMSTORE_DATA "$1 = ($1_ltype)$input;"
/* SWIG's own typemaps for char * would free what they take for their copy. */
%typemap(freearg) const void *MEMSTORE_DATA ""

/* Arrays and results of the caller's, and text that ends in a NUL. */
%apply const void *MEMSTORE_DATA {
    const char *key, const char *value, const char *path, char *buf, char *why,
    size_t *, int64_t *, const int64_t *, uint64_t *, const uint64_t *, double *, unsigned char *,
    const glue_item *, const glue_step *, memstore **, memstore_view *, void **, glue_scan **, glue_events **,
    memstore_lease **
};

%define MEMSTORE_HANDLE(TYPE)
%typemap(gotype) TYPE "uintptr"
%typemap(in) TYPE "$1 = ($1_ltype)$input;"
%typemap(freearg) TYPE ""
%typemap(out) TYPE "$result = (void *)$1;"
%typemap(goout) TYPE "$result = $1"
%enddef
MEMSTORE_HANDLE(memstore *)
MEMSTORE_HANDLE(struct memstore *)
MEMSTORE_HANDLE(memstore_config *)
MEMSTORE_HANDLE(const memstore_config *)
MEMSTORE_HANDLE(void *kept)
MEMSTORE_HANDLE(glue_scan *)
MEMSTORE_HANDLE(glue_events *)
MEMSTORE_HANDLE(glue_log *)
MEMSTORE_HANDLE(memstore_lease *)
/* Text of the library's own, for GlueCopyText; SWIG's own conversion would allocate and free a copy
 * in C. */
MEMSTORE_HANDLE(const char *memstore_strerror)
MEMSTORE_HANDLE(const char *memstore_status_name)
MEMSTORE_HANDLE(const char *memstore_config_error)
MEMSTORE_HANDLE(const char *memstore_config_key)
MEMSTORE_HANDLE(const char *memstore_operation_name)
MEMSTORE_HANDLE(const char *text)

/* Numbers. SWIG's stdint.i takes int64_t for long long, which it is not everywhere. */
%define MEMSTORE_NUMBER(TYPE, GOTYPE)
%typemap(gotype) TYPE "GOTYPE"
%typemap(in) TYPE "$1 = ($1_ltype)$input;"
%typemap(out) TYPE "$result = $1;"
%enddef
MEMSTORE_NUMBER(int, int32)
MEMSTORE_NUMBER(int64_t, int64)
MEMSTORE_NUMBER(uint32_t, uint32)
MEMSTORE_NUMBER(uint64_t, uint64)
MEMSTORE_NUMBER(size_t, int)

%rename("%(camelcase)s", %$isfunction) "";

%ignore MEMSTORE_H;
%ignore memstore_key;
%ignore memstore_entry;
%ignore memstore_view;
%ignore memstore_stats;
%ignore memstore_memory_stats;
%ignore memstore_ttl_stats;
%ignore MEMSTORE_TTL_CLASSES;
%ignore memstore_event;
%ignore memstore_event_stats;
%ignore memstore_subscribe;
%ignore memstore_subscription_next;
%ignore memstore_subscription_wake;
%ignore memstore_subscription_dropped;
%ignore memstore_subscription_close;
%ignore memstore_on_event;
%ignore memstore_off_event;
%ignore MEMSTORE_EVENTS_H;
%ignore memstore_get_event_stats;
%ignore glue_item;
%ignore glue_step;
%rename("$ignore", regexmatch$name="^GLUE_STEP") "";
%rename("$ignore", regexmatch$name="^memstore_batch_") "";
%ignore memstore_reconfigure;
%ignore memstore_set;
%ignore memstore_set_until;
%ignore memstore_set_async;
%ignore memstore_add;
%ignore memstore_replace;
%ignore memstore_compare_and_set;
%ignore memstore_increment;
%ignore memstore_delete;
%ignore memstore_update_ttl;
%ignore memstore_get_view;
%ignore memstore_clear;
%ignore memstore_maintain;
%ignore memstore_reconfigure_explained;
%ignore memstore_reconfigure_all;
%ignore memstore_bound_waits;
%ignore memstore_get;
%ignore memstore_get_ttl;
%ignore memstore_get_expiration;
%ignore memstore_get_created;
%ignore memstore_set_many;
%ignore memstore_get_many;
%ignore memstore_read_many;
%ignore memstore_view_release_many;
%ignore memstore_has_many;
%ignore memstore_delete_many;
%ignore memstore_keys;
%ignore memstore_count_by_pattern;
%ignore memstore_delete_by_pattern;
%ignore memstore_cursor_new;
%ignore memstore_cursor_next;
%ignore memstore_cursor_free;
%ignore memstore_get_stats;
%ignore memstore_get_memory_stats;
%ignore memstore_get_ttl_stats;
%ignore memstore_latency;
%ignore memstore_rates;
%ignore memstore_get_latency;
%ignore memstore_get_rates;
%ignore memstore_metrics_text;
%ignore MEMSTORE_ADVICE_H;
%ignore memstore_advice;
%ignore memstore_miss_ratio_point;
%ignore MEMSTORE_CURVE_POINTS;
%ignore memstore_advise;
%ignore memstore_advise_text;
%ignore memstore_advise_json;
%ignore memstore_get_miss_ratio_curve;
%rename("$ignore", regexmatch$name="^MEMSTORE_(OPERATION|ALERT|ADVICE)") "";
