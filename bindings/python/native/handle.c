/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

/* Values up to this size are copied out by way of the stack. */
enum { SMALL_BYTES = 4096 };

PyTypeObject *ms_py_handle_type;

static inline struct ms_py_handle *as_handle(PyObject *self)
{
    return (struct ms_py_handle *)self;
}

static inline memstore *store_in(PyObject *self)
{
    return ms_py_store_in(as_handle(self));
}

/* Set the exception for a failed call on `self`. Returns NULL. */
static PyObject *fail(PyObject *self, int status, PyObject *key)
{
    if (store_in(self) == NULL)
        return ms_py_raise_text(MEMSTORE_ERR_INVALID_ARGUMENT,
                                "the store was never opened: call Store.__init__() first");
    return ms_py_raise(status, key);
}

memstore *ms_py_handle_store(PyObject *object)
{
    if (!PyObject_TypeCheck(object, ms_py_handle_type)) {
        PyErr_SetString(PyExc_TypeError, "a Store is needed here");
        return NULL;
    }
    memstore *const store = store_in(object);

    if (store == NULL)
        fail(object, MEMSTORE_ERR_INVALID_ARGUMENT, NULL);
    return store;
}

static int raise_open_already(void)
{
    ms_py_raise_text(MEMSTORE_ERR_INVALID_ARGUMENT, "this Store is open already");
    return -1;
}

int ms_py_handle_opens(PyObject *object)
{
    if (PyObject_TypeCheck(object, ms_py_handle_type))
        return store_in(object) == NULL ? 0 : raise_open_already();
    PyErr_SetString(PyExc_TypeError, "a Store is needed here");
    return -1;
}

int ms_py_handle_opened(PyObject *object, memstore *store)
{
    memstore *none = NULL;

    /* ORDER: acq_rel, so that who reads the pointer sees the store whole. Pairs with
     * ms_py_store_in(). */
    if (ms_cas_acq_rel(&as_handle(object)->store, &none, store))
        return 0;
    Py_BEGIN_ALLOW_THREADS memstore_destroy(store);
    Py_END_ALLOW_THREADS return raise_open_already();
}

bool ms_py_handle_keep_log(PyObject *object, PyObject *queue)
{
    PyObject *none = NULL;

    /* ORDER: acq_rel; pairs with the acquire loads of `log`, which find the queue whole. */
    if (!PyObject_TypeCheck(object, ms_py_handle_type) || store_in(object) != NULL ||
        !ms_cas_acq_rel(&as_handle(object)->log, &none, queue))
        return false;
    Py_INCREF(queue);
    return true;
}

/* ---- Reading --------------------------------------------------------------------------------- */

PyObject *ms_py_bytes_of_view(const memstore_view *view)
{
    PyObject *bytes;

    if (view->size < MS_PY_LARGE_BYTES)
        return PyBytes_FromStringAndSize(view->data, (Py_ssize_t)view->size);
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)view->size);
    if (bytes != NULL) {
        char *to = PyBytes_AsString(bytes);

        Py_BEGIN_ALLOW_THREADS memcpy(to, view->data, view->size);
        Py_END_ALLOW_THREADS
    }
    return bytes;
}

/* A value that is copied in place; `bytes` is NULL without an exception when there is none. */
struct copied {
    PyObject *bytes;
    unsigned long long version;
};

static void copy_value(const memstore_view *view, size_t n, void *context)
{
    struct copied *copied = context;

    (void)n;
    ms_py_call_ends();
    if (view->data == NULL)
        return;
    copied->bytes = ms_py_bytes_of_view(view);
    copied->version = view->version;
}

/* Copy the value of a key, whatever its size; no view of it is held. -1 with an exception. */
static int copy_in_place(PyObject *self, const struct ms_py_bytes *name, PyObject *key,
                         struct copied *out)
{
    const memstore_key one = {name->data, name->size};

    *out = (struct copied){NULL, 0};
    ms_py_call_begins(false);
    const int status = memstore_read_many(store_in(self), &one, 1, copy_value, out);
    ms_py_call_ends();
    if (status != MEMSTORE_OK)
        fail(self, status, key);
    return status != MEMSTORE_OK || PyErr_Occurred() ? -1 : 0;
}

/* Small values go through the stack: memstore_get() pins nothing and writes nothing to the
 * entry, which saves more than the second copy of a few lines costs. A value that does not fit
 * is not counted as read until it is copied in place. */
PyObject *ms_py_value_named(PyObject *self, const struct ms_py_bytes *name, PyObject *key)
{
    char small[SMALL_BYTES];
    size_t size;
    const int status =
        memstore_get(store_in(self), name->data, name->size, small, sizeof(small), &size);

    if (status == MEMSTORE_OK)
        return PyBytes_FromStringAndSize(small, (Py_ssize_t)size);
    if (status == MEMSTORE_ERR_BUFFER_TOO_SMALL) {
        struct copied copied;

        return copy_in_place(self, name, key, &copied) == 0 ? copied.bytes : NULL;
    }
    return status == MEMSTORE_ERR_KEY_NOT_FOUND ? NULL : fail(self, status, key);
}

PyObject *ms_py_value_of(PyObject *self, PyObject *key)
{
    struct ms_py_bytes name;

    if (ms_py_borrow_key(key, &name) != 0)
        return NULL;
    PyObject *value = ms_py_value_named(self, &name, key);
    ms_py_bytes_release(&name);
    return value;
}

static PyObject *value_or(PyObject *self, PyObject *key, PyObject *missing)
{
    PyObject *value = ms_py_value_of(self, key);

    if (value != NULL || PyErr_Occurred())
        return value;
    Py_INCREF(missing);
    return missing;
}

static PyObject *handle_get(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames)
{
    static const char *const names[] = {"key", "default"};
    PyObject *given[2];

    if (kwnames == NULL && count == 1)
        return value_or(self, args[0], Py_None);
    if (kwnames == NULL && count == 2)
        return value_or(self, args[0], args[1]);
    if (ms_py_arguments("get", args, count, kwnames, names, 1, 2, given) != 0)
        return NULL;
    return value_or(self, given[0], given[1] != NULL ? given[1] : Py_None);
}

static PyObject *handle_get_versioned(PyObject *self, PyObject *key)
{
    struct ms_py_bytes name;
    struct copied copied;

    if (ms_py_borrow_key(key, &name) != 0)
        return NULL;
    const int result = copy_in_place(self, &name, key, &copied);
    ms_py_bytes_release(&name);
    if (result != 0)
        return NULL;
    if (copied.bytes == NULL)
        return Py_BuildValue("(Oi)", Py_None, 0);
    return Py_BuildValue("(NK)", copied.bytes, copied.version);
}

static PyObject *handle_subscript(PyObject *self, PyObject *key)
{
    PyObject *value = ms_py_value_of(self, key);

    return value != NULL || PyErr_Occurred() ? value : ms_py_raise(MEMSTORE_ERR_KEY_NOT_FOUND, key);
}

static PyObject *handle_view(PyObject *self, PyObject *key)
{
    memstore *store = store_in(self);
    struct ms_py_bytes name;
    struct ms_py_write write = {0};
    memstore_view view;
    int status;

    if (ms_py_borrow_key(key, &name) != 0)
        return NULL;
    /* It may wait for a place, as a write does. */
    do {
        ms_py_write_begins(&write, false);
        status = memstore_get_view(store, name.data, name.size, &view);
    } while (!ms_py_write_ends(&write, status));
    ms_py_bytes_release(&name);
    return status == MEMSTORE_OK ? ms_py_view_new(as_handle(self), &view) : fail(self, status, key);
}

static int handle_contains(PyObject *self, PyObject *key)
{
    struct ms_py_bytes name;
    int status;

    if (ms_py_borrow_key(key, &name) != 0)
        return -1;
    status = memstore_has(store_in(self), name.data, name.size);
    ms_py_bytes_release(&name);
    if (status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND)
        return status == MEMSTORE_OK;
    fail(self, status, key);
    return -1;
}

/* ---- Writing --------------------------------------------------------------------------------- */

typedef int (*store_function)(memstore *store, const void *key, size_t key_size, const void *value,
                              size_t value_size, int64_t ttl_ms);

/* Store a value with memstore_set() or memstore_set_async(). */
static int store_value(PyObject *self, PyObject *key, PyObject *value, PyObject *ttl,
                       store_function set)
{
    memstore *store = store_in(self);
    struct ms_py_bytes name, bytes;
    struct ms_py_write write = {0};
    int64_t ttl_ms = MEMSTORE_TTL_DEFAULT;
    int status;

    if ((ttl != NULL && ms_py_write_ttl(ttl, &ttl_ms) != 0) || ms_py_borrow_key(key, &name) != 0)
        return -1;
    if (ms_py_borrow_value(value, &bytes) != 0) {
        ms_py_bytes_release(&name);
        return -1;
    }
    do {
        ms_py_write_begins(&write, bytes.size >= MS_PY_LARGE_BYTES);
        status = set(store, name.data, name.size, bytes.data, bytes.size, ttl_ms);
    } while (!ms_py_write_ends(&write, status));
    ms_py_bytes_release(&bytes);
    ms_py_bytes_release(&name);
    if (status == MEMSTORE_OK)
        return 0;
    fail(self, status, key);
    return -1;
}

static PyObject *set_given(PyObject *self, const char *function, store_function set,
                           PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    static const char *const names[] = {"key", "value", "ttl"};
    PyObject *given[3] = {NULL, NULL, NULL};

    if (kwnames == NULL && count == 2) {
        given[0] = args[0];
        given[1] = args[1];
    } else if (ms_py_arguments(function, args, count, kwnames, names, 2, 3, given) != 0) {
        return NULL;
    }
    if (store_value(self, given[0], given[1], given[2], set) != 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *handle_set(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames)
{
    return set_given(self, "set", memstore_set, args, count, kwnames);
}

static PyObject *handle_set_async(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                  PyObject *kwnames)
{
    return set_given(self, "set_async", memstore_set_async, args, count, kwnames);
}

/* 1 if an entry was removed, 0 if none was there, -1 with an exception. */
static int delete_key(PyObject *self, PyObject *key)
{
    struct ms_py_bytes name;
    struct ms_py_write write = {0};
    int status;

    if (ms_py_borrow_key(key, &name) != 0)
        return -1;
    do {
        ms_py_write_begins(&write, false);
        status = memstore_delete(store_in(self), name.data, name.size);
    } while (!ms_py_write_ends(&write, status));
    ms_py_bytes_release(&name);
    if (status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND)
        return status == MEMSTORE_OK;
    fail(self, status, key);
    return -1;
}

static PyObject *handle_delete(PyObject *self, PyObject *key)
{
    const int deleted = delete_key(self, key);

    return deleted >= 0 ? PyBool_FromLong(deleted) : NULL;
}

static int handle_assign(PyObject *self, PyObject *key, PyObject *value)
{
    int deleted;

    if (value != NULL)
        return store_value(self, key, value, NULL, memstore_set);
    deleted = delete_key(self, key);
    if (deleted == 0)
        ms_py_raise(MEMSTORE_ERR_KEY_NOT_FOUND, key);
    return deleted > 0 ? 0 : -1;
}

/* ---- The object ------------------------------------------------------------------------------ */

static Py_ssize_t handle_length(PyObject *self)
{
    memstore *const store = store_in(self);

    if (store == NULL || as_handle(self)->closed) {
        fail(self, MEMSTORE_ERR_CACHE_CLOSED, NULL);
        return -1;
    }
    ms_py_call_begins(false);
    const uint64_t size = memstore_size(store);
    ms_py_call_ends();
    return (Py_ssize_t)size;
}

static PyObject *handle_iterate(PyObject *self)
{
    if (store_in(self) == NULL)
        return fail(self, MEMSTORE_ERR_INVALID_ARGUMENT, NULL);
    return ms_py_iterate(as_handle(self));
}

static PyObject *log_of(const struct ms_py_handle *handle)
{
    /* ORDER: acquire; pairs with ms_py_handle_keep_log(). */
    return ms_load_acquire(&handle->log);
}

/* Whether the interpreter is ending: daemon threads that have no GIL do not get it any more. */
static bool is_ending(void)
{
    PyObject *const function = PySys_GetObject("is_finalizing");
    PyObject *const answer = function != NULL ? PyObject_CallNoArgs(function) : NULL;
    const bool is_ending = answer != Py_False;

    PyErr_Clear();
    Py_XDECREF(answer);
    return is_ending;
}

/* Calls that will not come to an end: closing would wait for them for ever. */
static bool has_lost_calls(const struct ms_py_handle *handle)
{
    return ms_load_relaxed(&handle->calling) != 0 && is_ending();
}

static PyObject *handle_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct ms_py_handle *handle = as_handle(self);
    memstore *const store = store_in(self);

    if (store == NULL || handle->closed)
        Py_RETURN_NONE;
    if (ms_py_is_telling(self))
        return ms_py_raise_text(MEMSTORE_ERR_UNSUPPORTED,
                                "a function that is told the progress cannot close the store: "
                                "the call that tells it is not over");
    if (has_lost_calls(handle))
        Py_RETURN_NONE;
    /* The calls in flight that this waits for may need the GIL to come to an end. */
    PyThreadState *const thread = PyEval_SaveThread();
    const int status = memstore_close(store);
    PyEval_RestoreThread(thread);
    if (status == MEMSTORE_ERR_UNSUPPORTED)
        return ms_py_raise_text(status, "a loader cannot close the store that it loads for");
    handle->closed = true;
    /* Another thread is closing it, and sees to the rest. */
    if (status == MEMSTORE_ERR_CACHE_CLOSED)
        Py_RETURN_NONE;
    ms_py_log_end(log_of(handle));
    if (status < 0)
        return fail(self, status, NULL);
    Py_RETURN_NONE;
}

static PyObject *handle_get_closed(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(as_handle(self)->closed || store_in(self) == NULL);
}

static void handle_dealloc(PyObject *self)
{
    struct ms_py_handle *handle = as_handle(self);
    PyTypeObject *type = Py_TYPE(self);
    memstore *store = store_in(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    if (handle->weak_references != NULL)
        PyObject_ClearWeakRefs(self);
    /* A call refers to the object, unless it was lost with its thread. */
    if (store != NULL && ms_load_relaxed(&handle->calling) == 0) {
        Py_BEGIN_ALLOW_THREADS memstore_destroy(store);
        Py_END_ALLOW_THREADS
    }
    ms_py_log_end(log_of(handle));
    Py_XDECREF(log_of(handle));
    release(self);
    Py_DECREF(type);
}

/* clang-format off */
#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef handle_methods[] = {
    {"get", FAST(handle_get), METH_FASTCALL | METH_KEYWORDS,
     "get($self, key, default=None)\n--\n\n"
     "The value of a key as bytes, or `default` if no live entry has it."},
    {"set", FAST(handle_set), METH_FASTCALL | METH_KEYWORDS,
     "set($self, key, value, ttl=...)\n--\n\n"
     "Store a value, in place of what was there.\n\n"
     "`ttl` is a number of seconds, a timedelta, or None for an entry that never expires;\n"
     "without it the configured default applies."},
    {"set_async", FAST(handle_set_async), METH_FASTCALL | METH_KEYWORDS,
     "set_async($self, key, value, ttl=...)\n--\n\n"
     "Store a value later: hand it over to be applied with others, and return.\n\n"
     "Reads see it when it is applied: when `batch_size` writes are queued, when the oldest is\n"
     "`batch_timeout` old, at flush(), at close(), and before any other write of the same key. The\n"
     "TTL counts from this call. What can never be stored is refused here; what is refused later is\n"
     "counted like any refused write and raised by flush()."},
    {"delete", handle_delete, METH_O,
     "delete($self, key, /)\n--\n\n"
     "Remove an entry. Returns whether one was there."},
    {"compare_and_delete", FAST(ms_py_compare_and_delete), METH_FASTCALL | METH_KEYWORDS,
     "compare_and_delete($self, key, version)\n--\n\n"
     "Remove an entry only if it has the version that get_versioned() or view() told.\n\n"
     "Returns whether it was removed: of several threads, one at most is told so, and what it read is\n"
     "what is gone."},
    {"get_versioned", handle_get_versioned, METH_O,
     "get_versioned($self, key, /)\n--\n\n"
     "The value and its version for compare_and_set(); (None, 0) if no live entry has the key."},
    {"view", handle_view, METH_O,
     "view($self, key, /)\n--\n\n"
     "The value in place: a context manager over a read-only memoryview.\n\n"
     "The bytes stay as they are, whatever becomes of the entry and the store, until the block is\n"
     "left and nothing made from the memoryview is alive. Raises KeyNotFound."},
    {"get_many", ms_py_get_many, METH_O,
     "get_many($self, keys, /)\n--\n\n"
     "The values of the keys that are there, as a dict, as of one moment between batches.\n\n"
     "Keys may be an array of numpy's, of bytes (dtype S) or of rows of numbers."},
    {"set_many", FAST(ms_py_set_many), METH_FASTCALL | METH_KEYWORDS,
     "set_many($self, items, ttl=..., values=None)\n--\n\n"
     "Store all items of a mapping, or all (key, value) pairs, at one instant; or none of them.\n\n"
     "Keys and values may be given apart, as `items` and `values`: as many of each, in iterables\n"
     "or in arrays of numpy's, of bytes (dtype S) or of rows of numbers."},
    {"delete_many", ms_py_delete_many, METH_O,
     "delete_many($self, keys, /)\n--\n\n"
     "Remove entries at one instant. Returns how many were there."},
    {"has_many", ms_py_has_many, METH_O,
     "has_many($self, keys, /)\n--\n\n"
     "Whether each key has a live entry, as a dict of bool."},
    {"get_or_load", FAST(ms_py_get_or_load), METH_FASTCALL | METH_KEYWORDS,
     "get_or_load($self, key, loader, ttl=..., timeout=None)\n--\n\n"
     "The value of a key as bytes; if it is not there, loaded by `loader(key)`, by one thread\n"
     "however many ask.\n\n"
     "The loader returns the value, which is stored for `ttl`; (value, ttl); or None if there is\n"
     "no such key, which is remembered for the setting `loader.negative_ttl` and returned. If it\n"
     "raises LoadRetry it is called again after a pause; any other exception reaches the caller\n"
     "that called it, and LoaderFailed those who waited for it. A write of the key meanwhile wins:\n"
     "then the value is returned and not stored. `timeout` bounds how many seconds to wait for the\n"
     "load of another thread; raises LockTimeout, as where `loader.max_loads` or\n"
     "`max_concurrent_readers` leaves no place for the load, unless the value is there by then."},
    {"_get_fresh", ms_py_get_fresh, METH_O, "For memoize()."},
    {"_lease_acquire", FAST(ms_py_lease_acquire), METH_FASTCALL, "For aget_or_load()."},
    {"_save", FAST(ms_py_save), METH_FASTCALL, "For save()."},
    {"_load", FAST(ms_py_load), METH_FASTCALL, "For load()."},
    {"_warm", FAST(ms_py_warm), METH_FASTCALL, "For warm()."},
    {"_snapshot_info", ms_py_snapshot_info, METH_O | METH_STATIC, "For snapshot_info()."},
    {"close", handle_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close the store and free its memory, but for what views hold. Closing again does nothing."},
    {NULL, NULL, 0, NULL},
};
/* clang-format on */

static PyGetSetDef handle_properties[] = {
    {"closed", handle_get_closed, NULL, "Whether the store is closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef handle_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct ms_py_handle, weak_references), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_methods, handle_methods},
    {Py_tp_getset, handle_properties},
    {Py_tp_members, handle_members},
    {Py_tp_iter, handle_iterate},
    {Py_mp_length, handle_length},
    {Py_mp_subscript, handle_subscript},
    {Py_mp_ass_subscript, handle_assign},
    {Py_sq_contains, handle_contains},
    {Py_tp_doc, (char *)"What memstore.Store derives from: the operations that are called most."},
    {0, NULL},
};

static PyType_Spec handle_spec = {
    .name = "memstore._native.Handle",
    .basicsize = sizeof(struct ms_py_handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = handle_slots,
};

int ms_py_handle_init(PyObject *module)
{
    return ms_py_add_type(module, &ms_py_handle_type, &handle_spec, "Handle");
}
