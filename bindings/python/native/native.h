/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-written half of the extension module memstore._native; SWIG generates the other half.
 *
 *     Handle    owns one memstore *. memstore.Store derives from it, so get, set and the other hot
 *               operations are C methods of the store object itself: one crossing, no Python frame.
 *     View      owns one pinned memstore_view and exports it through the buffer protocol.
 *     KeyIterator owns one memstore_cursor.
 *     Subscription owns one memstore_subscription. memstore.Subscription derives from it.
 *     Lease     owns one memstore_lease.
 *     LogQueue  holds the records of a store's log until a thread of memstore.log takes them.
 *
 * Invariants:
 *   PY-1  A View, a KeyIterator, a Subscription and a Lease hold a reference to their Handle, so
 *         memstore_destroy() runs only when every view is released, every cursor freed, every
 *         subscription closed and every lease given back.
 *   PY-2  Key and value bytes are borrowed from objects that the call holds references to (and, for
 *         buffers, exports of), so that they stay in place also while the GIL is released.
 *   PY-3  No callback into Python happens inside a call of the library, but for the making of
 *         objects in the function that memstore_read_many() calls, the loaders that
 *         memstore_get_or_load() and memstore_warm() call, the functions that are told the progress
 *         of saving, loading and warming, and the handlers of signals during these and while
 *         memstore_get_or_load() waits; none holds a lock.
 *
 *   PY-4  The GIL is never waited for inside a call of the library, but in the functions of PY-3: a
 *         call that has given it up takes it back when it has returned.
 *
 *   PY-5  The bytes of a key stay as they are during the call: an entry is found by the hash of the
 *         bytes that it was stored with, and results name the keys that were looked up. So keys in
 *         buffers, which may be written to by the loader that gets them or, while the GIL is
 *         released, by other threads, are copied.
 *
 * Locking: the GIL guards all fields of these objects. It is released around calls that take long: see
 * MS_PY_LARGE_BYTES and MS_PY_LARGE_BATCH. Short calls that may have to wait keep it until they do:
 * see ms_py_call_begins(). On a free-threaded Python, where a thread state stands in the place of the
 * GIL and several threads have theirs at once, what the GIL guards is guarded by sections
 * (ms_py_section), and what a Handle holds is set once, atomically. */
#ifndef MS_PY_NATIVE_H
#define MS_PY_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "platform/atomic.h"
#include "platform/wait.h"

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copying this much takes longer (about 5 us) than giving the GIL away and taking it back. */
#define MS_PY_LARGE_BYTES (64 * 1024)
/* As many keys in one call take about as long. */
#define MS_PY_LARGE_BATCH 64

struct ms_py_handle {
    /* NULL until opened; then valid until the object dies, closed or not */
    PyObject_HEAD _Atomic(memstore *) store;
    _Atomic(bool) closed;
    _Atomic(uint32_t) calling; /* calls that may be in Python code: see ms_py_calling_begins() */
    PyObject *weak_references;
    _Atomic(PyObject *) log; /* a LogQueue, or NULL; set once, before the store is opened */
};

static inline memstore *ms_py_store_in(const struct ms_py_handle *handle)
{
    /* ORDER: acquire, so that the open store is seen whole. Pairs with ms_py_handle_opened(). */
    return ms_load_acquire(&handle->store);
}

/* With the GIL held, around a call of the library that calls Python code. A thread that an ending
 * interpreter does not let come back from there stays counted. */
static inline void ms_py_calling_begins(PyObject *handle)
{
    ms_add_relaxed(&((struct ms_py_handle *)handle)->calling, 1);
}

static inline void ms_py_calling_ends(PyObject *handle)
{
    ms_sub_relaxed(&((struct ms_py_handle *)handle)->calling, 1);
}

/* Bytes borrowed from a Python object for the length of a call. */
struct ms_py_bytes {
    const void *data;
    size_t size;
    bool exported; /* `buffer` is held */
    Py_buffer buffer;
};

/* ---- Objects that several threads use ---- */

/* From ms_py_enter() to ms_py_leave() a thread has the fields of an object to itself, but for where it
 * gives the GIL up or waits for something of Python's. With the GIL that is so in any case; on a
 * free-threaded Python it is a critical section of the object, which ends and begins again with the
 * thread state. */
#ifdef Py_GIL_DISABLED
typedef PyCriticalSection ms_py_section;

static inline void ms_py_enter(ms_py_section *section, PyObject *object)
{
    PyCriticalSection_Begin(section, object);
}

static inline void ms_py_leave(ms_py_section *section)
{
    PyCriticalSection_End(section);
}
#else
typedef struct {
    char unused;
} ms_py_section;

static inline void ms_py_enter(ms_py_section *section, PyObject *object)
{
    (void)section;
    (void)object;
}

static inline void ms_py_leave(ms_py_section *section)
{
    (void)section;
}
#endif

/* Define the method NAME, which runs NAME_alone() in a section of the object. */
#define MS_PY_METHOD_ALONE(name)                                                                   \
    static PyObject *name(PyObject *self, PyObject *given)                                         \
    {                                                                                              \
        ms_py_section section;                                                                     \
                                                                                                   \
        ms_py_enter(&section, self);                                                               \
        PyObject *const result = name##_alone(self, given);                                        \
        ms_py_leave(&section);                                                                     \
        return result;                                                                             \
    }

/* ---- gil.c: calls that may wait ---- */

/* Give the GIL up, and take it back if this thread has given it up so. */
void ms_py_release_gil(void);
void ms_py_take_gil(void);

/* Before a call of the library, with the GIL held: it is given up at once, or else as soon as the call
 * waits for anything, if it does. Between the two there is the call alone. */
static inline void ms_py_call_begins(bool at_once)
{
    if (at_once)
        ms_py_release_gil();
    else
        ms_before_wait = ms_py_release_gil;
}

/* After the call, or in a function that it calls to make objects, after which it waits for nothing:
 * the GIL is held. Doing it again does nothing. */
static inline void ms_py_call_ends(void)
{
    if (ms_before_wait != NULL)
        ms_before_wait = NULL;
    else
        ms_py_take_gil();
}

/* A call that is away without the GIL, comes back to run Python code, and is asked meanwhile whether it waits
 * on (WT-2). */
struct ms_py_away {
    PyThreadState *thread;
    struct ms_wait_asked asked;
};

/* Python code runs between these two; what that waits for is no business of the call's. */
static inline void ms_py_come_back(struct ms_py_away *away)
{
    ms_wait_asked = NULL;
    PyEval_RestoreThread(away->thread);
}

static inline void ms_py_go_away(struct ms_py_away *away)
{
    away->thread = PyEval_SaveThread();
    ms_wait_asked = &away->asked;
}

/* ---- gil.c: writes, which signals may end ---- */

/* How long a write of the main thread, in which Python runs the handlers of signals, waits at first before
 * they are run. It is made again then, for nothing of it was done, at the end of every line; to get to the
 * front of a longer one it waits each time for as long as it has waited by then. */
#define MS_PY_LOOK_EVERY_US 50000

/* A write on its way; all zero before it. */
struct ms_py_write {
    int64_t since_us; /* when it began to wait, if it has waited for so long */
    int64_t slice_us; /* how long it waits until signals are looked for */
};

/* 1 in the main thread, -1 in others, 0 where it is not known yet. */
extern __thread signed char ms_py_main_thread;
bool ms_py_find_main_thread(void);
int64_t ms_py_next_slice(const struct ms_py_write *write);
bool ms_py_write_goes_on(struct ms_py_write *write, int status);
int ms_py_gil_init(void);

static inline bool ms_py_is_main_thread(void)
{
    return ms_py_main_thread != 0 ? ms_py_main_thread > 0 : ms_py_find_main_thread();
}

/* As ms_py_call_begins(), in a loop: the write ends with its status when ms_py_write_ends() is true. */
static inline void ms_py_write_begins(struct ms_py_write *write, bool at_once)
{
    if (ms_py_is_main_thread()) {
        write->slice_us = write->since_us == 0 ? MS_PY_LOOK_EVERY_US : ms_py_next_slice(write);
        ms_wait_bind(write->slice_us, NULL);
        ms_wait_bound.since_us = write->since_us;
    }
    ms_py_call_begins(at_once);
}

/* With a negative status an exception may be set, which a handler has raised. */
static inline bool ms_py_write_ends(struct ms_py_write *write, int status)
{
    ms_py_call_ends();
    return !ms_py_is_main_thread() || !ms_py_write_goes_on(write, status);
}

/* ---- convert.c: from Python objects; on failure an exception is set and -1 returned ---- */

int ms_py_borrow_key_slow(PyObject *object, struct ms_py_bytes *out);
int ms_py_borrow_value_slow(PyObject *object, struct ms_py_bytes *out);
int ms_py_borrow_pattern(PyObject *object, struct ms_py_bytes *out);
int ms_py_borrow_yaml(PyObject *object, struct ms_py_bytes *out);
/* Seconds as a number, a timedelta, None (never) or Ellipsis (the configured default). */
int ms_py_ttl(PyObject *object, int64_t *ttl_ms);
/* The same for a call that writes: a number that is no TTL becomes one that the library refuses, which counts it. */
int ms_py_write_ttl(PyObject *object, int64_t *ttl_ms);
/* Unix seconds as a number. */
int ms_py_unix_time(PyObject *object, int64_t *unix_ms);
/* An int of 64 bits, called `name` in the exception; a version of an entry. */
int ms_py_int64(PyObject *object, const char *name, int64_t *out);
int ms_py_version(PyObject *object, uint64_t *out);
/* Distribute positional and keyword arguments over `names`; absent ones are NULL in `out`. */
int ms_py_arguments(const char *function, PyObject *const *args, Py_ssize_t count,
                    PyObject *kwnames, const char *const *names, Py_ssize_t required,
                    Py_ssize_t max, PyObject **out);
/* The way back for statistics. */
PyObject *ms_py_tuple_of_counts(const uint64_t *counts, size_t n);
PyObject *ms_py_tuple_of_rates(const memstore_rates *rates);
PyObject *ms_py_metrics_text(memstore *store);
PyObject *ms_py_advise_text(memstore *store);
PyObject *ms_py_advise_json(memstore *store);
int ms_py_convert_init(void);

static inline void ms_py_bytes_release(struct ms_py_bytes *bytes)
{
    if (bytes->exported)
        PyBuffer_Release(&bytes->buffer);
}

/* A key: str as UTF-8 (kept inside the str object, not copied) or bytes-like. */
static inline int ms_py_borrow_key(PyObject *object, struct ms_py_bytes *out)
{
    Py_ssize_t size = 0;

    if (PyUnicode_CheckExact(object)) {
        out->data = PyUnicode_AsUTF8AndSize(object, &size);
        if (out->data == NULL)
            return -1;
    } else if (PyBytes_CheckExact(object)) {
        out->data = PyBytes_AsString(object);
        size = PyBytes_Size(object);
    }
    out->size = (size_t)size;
    out->exported = false;
    return size > 0 ? 0 : ms_py_borrow_key_slow(object, out);
}

static inline int ms_py_borrow_value(PyObject *object, struct ms_py_bytes *out)
{
    if (!PyBytes_CheckExact(object))
        return ms_py_borrow_value_slow(object, out);
    out->data = PyBytes_AsString(object);
    out->size = (size_t)PyBytes_Size(object);
    out->exported = false;
    return 0;
}

/* ---- errors.c ---- */

/* Set the exception for a status. `key` (may be NULL) is the key the call was about. Returns
 * NULL. */
PyObject *ms_py_raise(int status, PyObject *key);
/* Set the exception for a status with a sentence of one's own. Returns NULL. */
PyObject *ms_py_raise_text(int status, const char *text);
/* As ms_py_raise() of a call that uses a file, with errno as it was after it. Returns NULL. */
PyObject *ms_py_raise_of_file(int status, int number);
/* Name the exception class of each status: a dict of int to class, and the base class under 0. */
PyObject *ms_py_register_errors(PyObject *classes);

/* The exception class of a status, or of MEMSTORE_LOAD_RETRY, borrowed. */
PyObject *ms_py_class_of(int status);

/* ---- handle.c, view.c, cursor.c, many.c, subscription.c, load.c, snapshot.c ---- */

extern PyTypeObject *ms_py_handle_type;

/* The open or closed store of a Handle; NULL with an exception set if it is none or was never
 * opened. */
memstore *ms_py_handle_store(PyObject *object);
/* Whether a store may be opened for this object: a Handle that has none. -1 with an exception
 * otherwise. */
int ms_py_handle_opens(PyObject *object);
/* Give the store to the Handle; if another thread has been faster it is destroyed, and -1 returned with
 * an exception set. */
int ms_py_handle_opened(PyObject *object, memstore *store);
/* Give the queue of its log to a Handle that has none, with a reference; whether it was taken. */
bool ms_py_handle_keep_log(PyObject *object, PyObject *queue);
/* The value of a key as new bytes; NULL without an exception if there is none. */
PyObject *ms_py_value_of(PyObject *self, PyObject *key);
/* The same with the bytes of the key, which is named in errors alone: other threads may write to it. */
PyObject *ms_py_value_named(PyObject *self, const struct ms_py_bytes *name, PyObject *key);
/* The bytes of a view as a new bytes object. */
PyObject *ms_py_bytes_of_view(const memstore_view *view);

PyObject *ms_py_view_new(struct ms_py_handle *handle, memstore_view *view);
PyObject *ms_py_iterate(struct ms_py_handle *handle);
/* All keys that match a pattern, as a list of bytes objects. */
PyObject *ms_py_list_keys(memstore *store, const char *pattern, size_t pattern_size);

PyObject *ms_py_get_many(PyObject *self, PyObject *keys);
PyObject *ms_py_has_many(PyObject *self, PyObject *keys);
PyObject *ms_py_delete_many(PyObject *self, PyObject *keys);
PyObject *ms_py_set_many(PyObject *self, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames);

PyObject *ms_py_compare_and_delete(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                   PyObject *kwnames);

PyObject *ms_py_get_or_load(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames);
PyObject *ms_py_get_fresh(PyObject *self, PyObject *key);
PyObject *ms_py_lease_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* Whether this thread is in a function that is told of the progress of a call of this store. */
bool ms_py_is_telling(PyObject *handle);
PyObject *ms_py_save(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *ms_py_load(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *ms_py_warm(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *ms_py_snapshot_info(PyObject *self, PyObject *path);

/* ---- module.c ---- */

/* A variable that holds an object for as long as the interpreter runs. */
void ms_py_keep(PyObject **variable);
/* Make a type, once, and name it in the module. */
int ms_py_add_type(PyObject *module, PyTypeObject **type, PyType_Spec *spec, const char *name);
/* What the module does when it is imported. */
int ms_py_module_init(PyObject *module);

/* ---- log.c ---- */

/* Stores that are opened from the configuration tell a LogQueue; one of them keeps it. A status, or
 * INVALID_ARGUMENT for what is no LogQueue, or is in use. */
int ms_py_set_logger(memstore_config *config, int level, PyObject *queue);
int ms_py_keep_log(PyObject *handle, PyObject *queue);
/* No more records come. `queue` may be NULL. */
void ms_py_log_end(PyObject *queue);

void ms_py_many_init(void);
int ms_py_log_init(PyObject *module);
int ms_py_handle_init(PyObject *module);
int ms_py_view_init(PyObject *module);
int ms_py_cursor_init(PyObject *module);
int ms_py_subscription_init(PyObject *module);
int ms_py_load_init(PyObject *module);
#ifdef MS_TESTING
int ms_py_clock_init(PyObject *module);
#endif

#endif
