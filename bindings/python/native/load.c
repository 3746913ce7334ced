/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "store/load/load.h"
#include "store/read/view.h"
#include "store/write/write.h"

#include <string.h>

/* ---- Values that loaders give ---- */

/* A loader of a Python function, for the length of one call. */
struct calling {
    struct ms_py_away away;
    PyObject *loader;
    PyObject *key;
    PyObject *value; /* what it returned; `bytes` are borrowed from it */
    struct ms_py_bytes bytes;
    PyObject *error[3]; /* what it raised, or a signal handler: type, value, traceback */
    bool interrupted;   /* it was a signal handler, or no Exception: no old value serves instead */
};

static void forget(struct calling *calling)
{
    if (calling->value != NULL)
        ms_py_bytes_release(&calling->bytes);
    Py_CLEAR(calling->value);
    for (int i = 0; i < 3; i++)
        Py_CLEAR(calling->error[i]);
}

static void keep_error(struct calling *calling)
{
    PyErr_Fetch(&calling->error[0], &calling->error[1], &calling->error[2]);
}

/* Whether the exception that is set asks for another attempt. */
static bool asks_for_retry(void)
{
    PyObject *retry = ms_py_class_of(MEMSTORE_LOAD_RETRY);

    return retry != NULL && PyErr_ExceptionMatches(retry);
}

/* The value, and with it its TTL where the loader gave (value, ttl). */
static int take_value(struct calling *calling, PyObject *result, memstore_load_value *out)
{
    PyObject *value = result;

    if (PyTuple_Check(result)) {
        if (PyTuple_Size(result) != 2) {
            PyErr_SetString(PyExc_TypeError,
                            "a loader returns a value, (value, ttl), or None if there is none");
            return -1;
        }
        value = PyTuple_GetItem(result, 0);
        if (ms_py_ttl(PyTuple_GetItem(result, 1), &out->ttl_ms) != 0)
            return -1;
    }
    if (ms_py_borrow_value(value, &calling->bytes) != 0)
        return -1;
    Py_INCREF(result);
    calling->value = result;
    out->value = calling->bytes.data;
    out->value_size = calling->bytes.size;
    return 0;
}

static int call_with_gil(struct calling *calling, memstore_load_value *out)
{
    int answer = MEMSTORE_LOAD_FAILED;

    forget(calling);
    PyObject *result = PyObject_CallFunctionObjArgs(calling->loader, calling->key, NULL);
    if (result == Py_None)
        answer = MEMSTORE_LOAD_ABSENT;
    else if (result != NULL && take_value(calling, result, out) == 0)
        answer = MEMSTORE_LOAD_OK;
    else if (asks_for_retry())
        answer = MEMSTORE_LOAD_RETRY;
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        calling->interrupted |= !PyErr_ExceptionMatches(PyExc_Exception);
        keep_error(calling);
    }
    return answer;
}

/* Called by the library on the thread that called it, with no lock held. */
static int call_loader(const void *key, size_t key_size, memstore_load_value *out, void *context)
{
    struct calling *calling = context;

    (void)key;
    (void)key_size;
    if (calling->interrupted)
        return MEMSTORE_LOAD_FAILED;
    ms_py_come_back(&calling->away);
    const int answer = call_with_gil(calling, out);
    ms_py_go_away(&calling->away);
    return answer;
}

/* ---- Signals ---- */

/* Asked by the library while it waits for a load, with no lock held (WT-2). Python runs its signal handlers
 * in the main thread alone, which is the process' own; the others need not be asked again. */
static bool handle_signals(void *context)
{
    struct calling *calling = context;

    if (!ms_py_is_main_thread()) {
        ms_wait_asked = NULL;
        return true;
    }
    ms_py_come_back(&calling->away);
    if (PyErr_CheckSignals() != 0) {
        forget(calling);
        keep_error(calling);
        calling->interrupted = true;
    }
    ms_py_go_away(&calling->away);
    return !calling->interrupted;
}

/* ---- get_or_load ---- */

/* A wait in milliseconds: None waits as long as it takes, which is 0 to a loader. */
static int wait_of(PyObject *object, int64_t *wait_ms)
{
    *wait_ms = 0;
    if (object == NULL || object == Py_None)
        return 0;
    const double seconds = PyFloat_AsDouble(object);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds >= 0 && seconds < 1e12)) {
        ms_py_raise_text(MEMSTORE_ERR_INVALID_ARGUMENT,
                         "timeout is a number of seconds that is not negative, or None");
        return -1;
    }
    *wait_ms = (int64_t)(seconds * 1000);
    *wait_ms += *wait_ms == 0;
    return 0;
}

static PyObject *raise_again(struct calling *calling)
{
    PyErr_Restore(calling->error[0], calling->error[1], calling->error[2]);
    memset(calling->error, 0, sizeof(calling->error));
    return NULL;
}

static PyObject *result_of(struct calling *calling, int status, memstore_view *view)
{
    PyObject *bytes = NULL;

    if (status == MEMSTORE_OK) {
        bytes = calling->interrupted ? NULL : ms_py_bytes_of_view(view);
        memstore_view_release(view);
    }
    if (calling->interrupted)
        return raise_again(calling);
    if (status == MEMSTORE_OK)
        return bytes;
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        Py_RETURN_NONE;
    if (status != MEMSTORE_ERR_LOADER_FAILED || calling->error[0] == NULL)
        return ms_py_raise(status, calling->key);
    return raise_again(calling);
}

/* The value of a key that could not be loaded in time, if it is there: a copy takes no place among the
 * readers. NULL, maybe with an exception. */
static PyObject *copy_after_all(PyObject *self, memstore *store, const struct ms_py_bytes *name,
                                PyObject *key)
{
    return memstore_has(store, name->data, name->size) == MEMSTORE_OK
               ? ms_py_value_named(self, name, key)
               : NULL;
}

static PyObject *load_key(PyObject *self, memstore *store, struct calling *calling, int64_t ttl_ms,
                          int64_t wait_ms)
{
    const memstore_loader loader = {.struct_size = sizeof(loader),
                                    .load = call_loader,
                                    .context = calling,
                                    .ttl_ms = ttl_ms,
                                    .wait_ms = wait_ms,
                                    .name = ""};
    struct ms_py_bytes name;
    memstore_view view;
    PyObject *result = NULL;

    if (ms_py_borrow_key(calling->key, &name) != 0)
        return NULL;
    ms_py_calling_begins(self);
    ms_py_go_away(&calling->away);
    const int status = memstore_get_or_load(store, name.data, name.size, &loader, &view);
    ms_py_come_back(&calling->away);
    ms_py_calling_ends(self);
    if (status == MEMSTORE_ERR_LOCK_TIMEOUT && !calling->interrupted)
        result = copy_after_all(self, store, &name, calling->key);
    ms_py_bytes_release(&name);
    if (result == NULL && !PyErr_Occurred())
        result = result_of(calling, status, &view);
    forget(calling);
    return result;
}

PyObject *ms_py_get_or_load(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames)
{
    static const char *const names[] = {"key", "loader", "ttl", "timeout"};
    PyObject *given[4];
    int64_t ttl_ms = MEMSTORE_TTL_DEFAULT, wait_ms;

    if (ms_py_arguments("get_or_load", args, count, kwnames, names, 2, 4, given) != 0)
        return NULL;
    memstore *store = ms_py_handle_store(self);
    if (store == NULL || (given[2] != NULL && ms_py_ttl(given[2], &ttl_ms) != 0) ||
        wait_of(given[3], &wait_ms) != 0)
        return NULL;
    struct calling calling = {
        .key = given[0], .loader = given[1], .away.asked = {handle_signals, &calling, false}};
    return load_key(self, store, &calling, ttl_ms, wait_ms);
}

/* The value of a key, or None where it takes a load to tell: it is not there, or it is old. What is copied at once
 * takes no place among the readers. */
PyObject *ms_py_get_fresh(PyObject *self, PyObject *key)
{
    memstore *store = ms_py_handle_store(self);
    struct ms_py_bytes name;
    memstore_view view;
    PyObject *value = NULL;

    if (store == NULL || ms_py_borrow_key(key, &name) != 0)
        return NULL;
    const int status = ms_store_get_view(store, name.data, name.size, &view);
    if (status == MEMSTORE_OK) {
        if (!ms_load_is_old(store, name.size, &view))
            value = ms_py_bytes_of_view(&view);
        memstore_view_release(&view);
    }
    ms_py_bytes_release(&name);
    if (status != MEMSTORE_OK && status != MEMSTORE_ERR_KEY_NOT_FOUND)
        return ms_py_raise(status, key);
    return value != NULL || PyErr_Occurred() ? value : Py_NewRef(Py_None);
}

/* ---- Leases ---- */

struct ms_py_lease {
    PyObject_HEAD memstore_lease *lease; /* NULL once it was given back */
    PyObject *handle;                    /* keeps the store from being destroyed */
};

static PyTypeObject *lease_type;

static struct ms_py_lease *as_lease(PyObject *self)
{
    return (struct ms_py_lease *)self;
}

static PyObject *make_lease(PyObject *handle, memstore_lease *lease)
{
    struct ms_py_lease *made = PyObject_GC_New(struct ms_py_lease, lease_type);

    if (made == NULL) {
        memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
        return NULL;
    }
    made->lease = lease;
    Py_INCREF(handle);
    made->handle = handle;
    PyObject_GC_Track(made);
    return (PyObject *)made;
}

/* The bytes of a view, which is released, or None where it shows none. */
static PyObject *bytes_or_none(memstore_view *view)
{
    if (view->data == NULL)
        Py_RETURN_NONE;
    PyObject *bytes = ms_py_bytes_of_view(view);

    memstore_view_release(view);
    return bytes;
}

/* Whether there may be room for a lease later, for who has asked for so many seconds in vain and stands for a
 * write that waits. To be asked before the bound ends that is over. */
static bool may_have_room(const memstore *store, int status, double waited)
{
    return status != MEMSTORE_ERR_LOCK_TIMEOUT && ms_store_gave_up(status) &&
           waited * 1000 < (double)ms_setting_of(&store->settings, lock_timeout);
}

/* _lease_acquire(key, waited): the value of a key, or a lease to load it: (value, None), (None, lease), (value, lease)
 * where it is to be refreshed, or (None, None) where it is known that there is none. None where the store has no room
 * for it now, unless that was waited for long enough. Raises LockTimeout while another loads, or all places are
 * taken. */
PyObject *ms_py_lease_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *const key = count == 2 ? args[0] : NULL;
    const double waited = count == 2 ? PyFloat_AsDouble(args[1]) : -1.0;
    memstore *store = ms_py_handle_store(self);
    struct ms_py_bytes name;
    memstore_lease *lease;
    memstore_view view;

    if (key == NULL)
        return PyErr_Format(PyExc_TypeError, "_lease_acquire() takes a key and a number");
    if (store == NULL || (waited == -1.0 && PyErr_Occurred()) || ms_py_borrow_key(key, &name) != 0)
        return NULL;
    /* Nor is a place waited for: that would hold an event loop up. */
    memstore_bound_waits(0, NULL);
    ms_py_call_begins(false);
    const int status = memstore_lease_acquire(store, name.data, name.size, 0, &lease, &view);
    ms_py_call_ends();
    const bool is_for_now = may_have_room(store, status, waited);
    memstore_bound_waits(-1, NULL);
    ms_py_bytes_release(&name);
    if (is_for_now)
        Py_RETURN_NONE;
    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        return Py_BuildValue("(OO)", Py_None, Py_None);
    if (status != MEMSTORE_OK)
        return ms_py_raise(status, key);
    PyObject *made = lease != NULL ? make_lease(self, lease) : Py_NewRef(Py_None);
    PyObject *value = bytes_or_none(&view);
    if (made != NULL && value != NULL)
        return Py_BuildValue("(NN)", value, made);
    Py_XDECREF(value);
    Py_XDECREF(made);
    return NULL;
}

static PyObject *lease_get_current(PyObject *self, void *unused)
{
    ms_py_section section;

    (void)unused;
    /* Another thread takes it out of the object before it gives it back. */
    ms_py_enter(&section, self);
    const bool current = memstore_lease_is_current(as_lease(self)->lease) != 0;
    ms_py_leave(&section);
    return PyBool_FromLong(current);
}

static PyObject *lease_get_held(PyObject *self, void *unused)
{
    ms_py_section section;

    (void)unused;
    ms_py_enter(&section, self);
    const bool held = as_lease(self)->lease != NULL;
    ms_py_leave(&section);
    return PyBool_FromLong(held);
}

/* Take the lease out of its object; NULL with an exception when it was given back before. */
static memstore_lease *take_lease(PyObject *self)
{
    ms_py_section section;

    ms_py_enter(&section, self);
    memstore_lease *const lease = as_lease(self)->lease;
    as_lease(self)->lease = NULL;
    ms_py_leave(&section);
    if (lease == NULL)
        ms_py_raise_text(MEMSTORE_ERR_INVALID_ARGUMENT, "the lease was given back already");
    return lease;
}

/* How long a lease that is given back waits for memory, locks and places, in milliseconds. It holds up an event
 * loop, which may be the one that holds them. */
enum { LEASE_WAIT_MS = 10 };

static PyObject *lease_fill(PyObject *self, PyObject *const *args, Py_ssize_t count,
                            PyObject *kwnames)
{
    static const char *const names[] = {"value", "ttl"};
    PyObject *given[2];
    struct ms_py_bytes bytes;
    int64_t ttl_ms = MEMSTORE_TTL_DEFAULT;
    int status = MEMSTORE_OK;

    if (ms_py_arguments("fill", args, count, kwnames, names, 1, 2, given) != 0 ||
        (given[1] != NULL && ms_py_ttl(given[1], &ttl_ms) != 0) ||
        ms_py_borrow_value(given[0], &bytes) != 0)
        return NULL;
    memstore_lease *lease = take_lease(self);
    if (lease != NULL) {
        Py_BEGIN_ALLOW_THREADS memstore_bound_waits(LEASE_WAIT_MS, NULL);
        status = memstore_lease_fill(lease, bytes.data, bytes.size, ttl_ms, NULL);
        memstore_bound_waits(-1, NULL);
        Py_END_ALLOW_THREADS
    }
    ms_py_bytes_release(&bytes);
    if (lease == NULL)
        return NULL;
    if (status == MEMSTORE_OK || status == MEMSTORE_ERR_VERSION_MISMATCH)
        return PyBool_FromLong(status == MEMSTORE_OK);
    return ms_py_raise(status, NULL);
}

static PyObject *lease_fail(PyObject *self, PyObject *absent)
{
    const int is_absent = PyObject_IsTrue(absent);
    memstore_lease *lease = is_absent >= 0 ? take_lease(self) : NULL;

    memstore_view view;

    if (lease == NULL)
        return NULL;
    memstore_bound_waits(LEASE_WAIT_MS, NULL);
    ms_py_call_begins(false);
    memstore_lease_fail(lease, is_absent ? MEMSTORE_LOAD_ABSENT : MEMSTORE_LOAD_FAILED, &view);
    ms_py_call_ends();
    memstore_bound_waits(-1, NULL);
    return bytes_or_none(&view);
}

static PyObject *lease_abandon(PyObject *self, PyObject *unused)
{
    memstore_lease *lease = take_lease(self);

    (void)unused;
    if (lease == NULL)
        return NULL;
    memstore_lease_fail(lease, MEMSTORE_LOAD_ABANDONED, NULL);
    Py_RETURN_NONE;
}

/* The loads of a store that refer to it through their leases are garbage with it. */
static int lease_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_lease(self)->handle);
    return 0;
}

static void lease_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    memstore_lease_fail(as_lease(self)->lease, MEMSTORE_LOAD_ABANDONED, NULL);
    Py_DECREF(as_lease(self)->handle);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef lease_methods[] = {
    {"fill", (PyCFunction)(void (*)(void))lease_fill, METH_FASTCALL | METH_KEYWORDS,
     "fill($self, value, ttl=...)\n--\n\n"
     "Store the value. Returns False if the key was written meanwhile, or the lease has ended.\n"
     "What the store cannot take goes to those who wait all the same with "
     "loader.on_store_error: bypass."},
    {"fail", lease_fail, METH_O,
     "fail($self, absent, /)\n--\n\n"
     "There is no value: because the key does not exist, or for another reason. Returns the old "
     "value that "
     "serves instead, or None."},
    {"abandon", lease_abandon, METH_NOARGS,
     "abandon($self, /)\n--\n\n"
     "The load was given up, which says nothing about the loader; who waits for it loads himself."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef lease_properties[] = {
    {"current", lease_get_current, NULL, "Whether a value would be stored.", NULL},
    {"held", lease_get_held, NULL, "Whether it was not given back yet.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lease_slots[] = {
    {Py_tp_dealloc, lease_dealloc},
    {Py_tp_traverse, lease_traverse},
    {Py_tp_methods, lease_methods},
    {Py_tp_getset, lease_properties},
    {Py_tp_doc, (char *)"The right to load a key."},
    {0, NULL},
};

static PyType_Spec lease_spec = {
    .name = "memstore._native.Lease",
    .basicsize = sizeof(struct ms_py_lease),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = lease_slots,
};

int ms_py_load_init(PyObject *module)
{
    return ms_py_add_type(module, &lease_type, &lease_spec, "Lease");
}
