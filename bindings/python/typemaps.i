/* SPDX-License-Identifier: Apache-2.0 */
/* Python: how arguments and results of the public functions cross over.
 *
 * The operations that are called most are methods of the type Handle, written by hand in native/ (see
 * native/native.h), because SWIG's wrappers take their arguments as a tuple and know no METH_FASTCALL.
 * All else is wrapped here, as functions of the private module memstore._native, which take a Handle
 * where the library takes a store:
 *
 *     a store              Handle, that is a memstore.Store
 *     a key                str (UTF-8) or bytes-like, borrowed for the call
 *     a value              bytes-like, borrowed for the call
 *     a TTL                seconds, timedelta, None (never) or ... (the configured default)
 *     a status             an exception, or None
 *     an output argument   the result */

%{
#include "native.h"
%}

%include <stdint.i>

/* ---- What Handle does ------------------------------------------------------------------------------------------ */

%ignore memstore_bound_waits;
%ignore memstore_close;
%ignore memstore_destroy;
%ignore memstore_set;
%ignore memstore_set_async;
%ignore memstore_get;
%ignore memstore_get_view;
%ignore memstore_view_release;
%ignore memstore_delete;
%ignore memstore_has;
%ignore memstore_set_many;
%ignore memstore_get_many;
%ignore memstore_read_many;
%ignore memstore_view_release_many;
%ignore memstore_has_many;
%ignore memstore_delete_many;
%ignore memstore_keys;
%ignore memstore_cursor_new;
%ignore memstore_cursor_next;
%ignore memstore_cursor_free;
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
%ignore memstore_latency;
%ignore memstore_rates;
%ignore memstore_metrics_text;
%ignore memstore_advice;
%ignore memstore_miss_ratio_point;
%ignore MEMSTORE_CURVE_POINTS;
%ignore memstore_advise;
%ignore memstore_advise_text;
%ignore memstore_advise_json;
%ignore memstore_get_miss_ratio_curve;
%rename("$ignore", regexmatch$name="^MEMSTORE_ADVICE") "";

/* Conditions that span several keys are not offered to Python. */
%rename("%(strip:[memstore_])s") "";
%rename("$ignore", regexmatch$name="^memstore_batch_") "";
%rename(open_store) memstore_open;

/* ---- Arguments ------------------------------------------------------------------------------------------------- */

%typemap(in) memstore *, struct memstore * {
    $1 = ms_py_handle_store($input);
    if ($1 == NULL)
        SWIG_fail;
}

%typemap(in) memstore **out (memstore *opened = NULL) {
    if (ms_py_handle_opens($input) != 0)
        SWIG_fail;
    $1 = &opened;
}
%typemap(argout) memstore **out {
    if (ms_py_handle_opened($input, opened$argnum) != 0)
        SWIG_fail;
}

/* The name of the parameter says what is accepted: ms_py_borrow_key(), ms_py_borrow_value(), ms_py_borrow_pattern(). */
%define MEMSTORE_BYTES_IN(POINTER, SIZE)
%typemap(arginit) (POINTER, SIZE) {
    bytes$argnum.exported = false;
}
%typemap(in) (POINTER, SIZE) (struct ms_py_bytes bytes) {
    if (ms_py_borrow_$1_name($input, &bytes) != 0)
        SWIG_fail;
    $1 = ($1_ltype)bytes.data;
    $2 = bytes.size;
}
%typemap(freearg) (POINTER, SIZE) {
    ms_py_bytes_release(&bytes$argnum);
}
%enddef

/* Values come out through Handle and View alone. */
%define MEMSTORE_BYTES_OUT(POINTER, SIZE)
%enddef

%include "bytes.i"

/* A path: str, bytes or os.PathLike. */
%typemap(in) const char *path (PyObject *encoded = NULL) {
    if (!PyUnicode_FSConverter($input, &encoded))
        SWIG_fail;
    $1 = PyBytes_AsString(encoded);
}
%typemap(freearg) const char *path {
    Py_XDECREF(encoded$argnum);
}

%typemap(in) int64_t ttl_ms {
    if (ms_py_write_ttl($input, &$1) != 0)
        SWIG_fail;
}

%typemap(in) int64_t delta, int64_t initial {
    if (ms_py_int64($input, "$1_name", &$1) != 0)
        SWIG_fail;
}

%typemap(in) uint64_t version {
    if (ms_py_version($input, &$1) != 0)
        SWIG_fail;
}

%typemap(in) int64_t unix_ms {
    if (ms_py_unix_time($input, &$1) != 0)
        SWIG_fail;
}

/* ---- Results --------------------------------------------------------------------------------------------------- */

%typemap(out) int {
    if ($1 < 0) {
        ms_py_raise($1, NULL);
        SWIG_fail;
    }
    $result = SWIG_Py_Void();
}

/* The exception names the key, which is the second argument of all these functions. */
%define %about_a_key(FUNCTION)
%typemap(out) int FUNCTION {
    if ($1 < 0) {
        ms_py_raise($1, swig_obj[1]);
        SWIG_fail;
    }
    $result = SWIG_Py_Void();
}
%enddef

%about_a_key(memstore_set_until)
%about_a_key(memstore_increment)
%about_a_key(memstore_get_expiration)
%about_a_key(memstore_get_created)
%about_a_key(memstore_update_ttl)

/* None for an entry that never expires, as it is written to set(). */
%typemap(out) int memstore_get_ttl {
    if ($1 < 0 && $1 != MEMSTORE_ERR_TTL_NOT_SET) {
        ms_py_raise($1, swig_obj[1]);
        SWIG_fail;
    }
    $result = SWIG_Py_Void();
}

/* A condition that does not hold is an outcome: the result says whether it held. */
%define %conditional(FUNCTION, NOT_MET)
%typemap(out) int FUNCTION {
    if ($1 < 0 && $1 != NOT_MET) {
        ms_py_raise($1, swig_obj[1]);
        SWIG_fail;
    }
    $result = PyBool_FromLong($1 == MEMSTORE_OK);
}
%enddef

%conditional(memstore_add, MEMSTORE_ERR_KEY_EXISTS)
%conditional(memstore_replace, MEMSTORE_ERR_KEY_NOT_FOUND)
%conditional(memstore_compare_and_set, MEMSTORE_ERR_VERSION_MISMATCH)

/* Whether all there was to do is done within the budget. */
%typemap(out) int memstore_maintain {
    if ($1 < 0 && $1 != MEMSTORE_ERR_LOCK_TIMEOUT) {
        ms_py_raise($1, NULL);
        SWIG_fail;
    }
    $result = PyBool_FromLong($1 == MEMSTORE_OK);
}

/* The configuration, which is the first argument, knows better what is wrong. */
%define %explained_by_config(FUNCTION)
%typemap(out) int FUNCTION {
    if ($1 < 0) {
        const char *why = memstore_config_error(arg1);

        if (why[0] != '\0')
            ms_py_raise_text($1, why);
        else
            ms_py_raise($1, NULL);
        SWIG_fail;
    }
    $result = SWIG_Py_Void();
}
%enddef

%explained_by_config(memstore_config_set)
%explained_by_config(memstore_config_get)
%explained_by_config(memstore_config_load_file)
%explained_by_config(memstore_config_load_yaml)
%explained_by_config(memstore_config_load_environment)
%explained_by_config(memstore_open)

%define %result_argument(ARGUMENT, TYPE, MAKE)
%typemap(in, numinputs=0) ARGUMENT (TYPE value) {
    value = 0;
    $1 = &value;
}
%typemap(argout) ARGUMENT {
    if (result == MEMSTORE_OK) {
        Py_XDECREF($result);
        $result = MAKE(value$argnum);
        if ($result == NULL)
            SWIG_fail;
    }
}
%enddef

%result_argument(int64_t *ttl_ms, int64_t, PyLong_FromLongLong)
%result_argument(int64_t *unix_ms, int64_t, PyLong_FromLongLong)
%result_argument(int64_t *result, int64_t, PyLong_FromLongLong)
%result_argument(uint64_t *count, uint64_t, PyLong_FromUnsignedLongLong)
%result_argument(uint64_t *deleted, uint64_t, PyLong_FromUnsignedLongLong)

/* All members but struct_size, in the order of the header, as a tuple. */
%define %statistics(TYPE, NAME, FIRST)
%typemap(in, numinputs=0) TYPE *NAME (TYPE value) {
    memset(&value, 0, sizeof(value));
    value.struct_size = sizeof(value);
    $1 = &value;
}
%typemap(argout) TYPE *NAME {
    Py_XDECREF($result);
    $result = ms_py_tuple_of_counts(&value$argnum.FIRST,
                                    (sizeof(TYPE) - offsetof(TYPE, FIRST)) / sizeof(uint64_t));
    if ($result == NULL)
        SWIG_fail;
}
%enddef

%statistics(memstore_stats, stats, hits)
%statistics(memstore_memory_stats, stats, limit)
%statistics(memstore_ttl_stats, stats, classes)
%statistics(memstore_event_stats, stats, subscriptions)
%statistics(memstore_latency, latency, count)

%typemap(in, numinputs=0) memstore_rates *rates (memstore_rates value) {
    memset(&value, 0, sizeof(value));
    value.struct_size = sizeof(value);
    $1 = &value;
}
%typemap(argout) memstore_rates *rates {
    Py_XDECREF($result);
    $result = ms_py_tuple_of_rates(&value$argnum);
    if ($result == NULL)
        SWIG_fail;
}

/* Why a change of a setting was refused. */
%typemap(in, numinputs=0) (char *why, size_t cap) (char text[1024]) {
    text[0] = '\0';
    $1 = text;
    $2 = sizeof(text);
}
%define %explained_in(FUNCTION, WHY)
%typemap(out) int FUNCTION {
    if ($1 < 0) {
        ms_py_raise_text($1, WHY);
        SWIG_fail;
    }
    $result = SWIG_Py_Void();
}
%enddef
%explained_in(memstore_reconfigure_explained, arg4)
%explained_in(memstore_reconfigure_all, arg3)
%rename(reconfigure) memstore_reconfigure_explained;
%ignore memstore_reconfigure;

/* The longest text of a setting is a path of 4000 bytes. */
%typemap(in, numinputs=0) (char *buf, size_t cap, size_t *size) (char text[4096]) {
    text[0] = '\0';
    $1 = text;
    $2 = sizeof(text);
    $3 = NULL;
}
%typemap(argout) (char *buf, size_t cap, size_t *size) {
    Py_XDECREF($result);
    $result = PyUnicode_DecodeUTF8(text$argnum, (Py_ssize_t)strlen(text$argnum), "surrogateescape");
    if ($result == NULL)
        SWIG_fail;
}

/* ---- The GIL: released by what may take long or wait, see -threads in tools/swig-generate.sh ------------------- */

%nothread;
%thread memstore_open;
%thread memstore_config_load_file;
%thread memstore_reconfigure_explained;
%thread memstore_reconfigure_all;
%thread memstore_get_setting;
%thread memstore_flush;
%thread memstore_clear;
%thread memstore_compact;
%thread memstore_maintain;
%thread memstore_count_by_pattern;
%thread memstore_delete_by_pattern;

/* By all else that may wait: at once where the value is large, else when it does wait; see ms_py_call_begins(). */
%define %may_wait(FUNCTION, AT_ONCE)
%exception FUNCTION {
    ms_py_call_begins(AT_ONCE);
    $action
    ms_py_call_ends();
}
%enddef

/* By writes, which end with the handler of a signal that raises; see ms_py_write_begins(). */
%define %writes(FUNCTION, AT_ONCE)
%exception FUNCTION {
    struct ms_py_write write = {0};

    do {
        ms_py_write_begins(&write, AT_ONCE);
        $action
    } while (!ms_py_write_ends(&write, result));
}
%enddef

%writes(memstore_set_until, arg5 >= MS_PY_LARGE_BYTES)
%writes(memstore_add, arg5 >= MS_PY_LARGE_BYTES)
%writes(memstore_replace, arg5 >= MS_PY_LARGE_BYTES)
%writes(memstore_compare_and_set, arg5 >= MS_PY_LARGE_BYTES)
%writes(memstore_increment, false)
%writes(memstore_update_ttl, false)
%may_wait(memstore_size, false)
%may_wait(memstore_get_stats, false)
%may_wait(memstore_get_hit_rate, false)
%may_wait(memstore_get_memory_stats, false)
%may_wait(memstore_get_ttl_stats, false)
%may_wait(memstore_get_rates, false)
%may_wait(memstore_reset_stats, false)

/* ---- The hand-written half ------------------------------------------------------------------------------------- */

%rename(register_errors) ms_py_register_errors;
%rename(keys) ms_py_list_keys;
PyObject *ms_py_register_errors(PyObject *classes);
%rename(metrics_text) ms_py_metrics_text;
%rename(advise_text) ms_py_advise_text;
%rename(advise_json) ms_py_advise_json;
%rename(set_logger) ms_py_set_logger;
%rename(keep_log) ms_py_keep_log;
int ms_py_set_logger(memstore_config *config, int level, PyObject *queue);
int ms_py_keep_log(PyObject *handle, PyObject *queue);
PyObject *ms_py_list_keys(memstore *store, const char *pattern, size_t pattern_size);
PyObject *ms_py_metrics_text(memstore *store);
PyObject *ms_py_advise_text(memstore *store);
PyObject *ms_py_advise_json(memstore *store);

%init %{
    if (ms_py_module_init(m) != 0)
        return -1;
%}
