/* SPDX-License-Identifier: Apache-2.0 */
/* Saving, loading and warming: calls that take long and tell how far they have come. */
#include "native.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Whoever is not told the progress is asked for signals, so often. */
enum { LOOK_EVERY_MS = 50 };

/* A call on its way, whose thread has no GIL. It is on the heap: the functions that are called may switch
 * to another greenlet, which has its own stack in the place of this one's. */
struct telling {
    struct ms_py_away away;
    PyObject *function; /* told of the progress; NULL = none */
    PyObject *handle;   /* borrowed */
    struct telling *next;
    memstore_progress last;
    int64_t looked_ms;  /* when it was asked for signals */
    int number;         /* errno after the call */
    bool ends;          /* something was raised that ends the call */
    PyObject *error[3]; /* what was raised first, or an interrupt: type, value, traceback */
};

/* Of this thread, while it is in their functions, in any order: greenlets leave them as they like. */
static _Thread_local struct telling *in_function;

bool ms_py_is_telling(PyObject *handle)
{
    const struct telling *telling = in_function;

    while (telling != NULL && telling->handle != handle)
        telling = telling->next;
    return telling != NULL;
}

/* As ms_py_come_back() and ms_py_go_away(), around code that cannot close the store. */
static void enter_function(struct telling *telling)
{
    ms_py_come_back(&telling->away);
    telling->next = in_function;
    in_function = telling;
}

static void leave_function(struct telling *telling)
{
    struct telling **link = &in_function;

    while (*link != telling)
        link = &(*link)->next;
    *link = telling->next;
    ms_py_go_away(&telling->away);
}

static PyObject *tuple_of(const memstore_progress *progress)
{
    return Py_BuildValue("(iKKKKKKKK)", progress->phase, progress->done, progress->total,
                         progress->stored, progress->present, progress->expired, progress->left_out,
                         progress->absent, progress->failed);
}

/* Whether what is raised is kept: it is the first, or an interrupt after exceptions that were none. */
static bool is_to_be_kept(const struct telling *telling)
{
    return telling->error[0] == NULL ||
           (!PyErr_ExceptionMatches(PyExc_Exception) &&
            PyErr_GivenExceptionMatches(telling->error[0], PyExc_Exception));
}

static void keep_error(struct telling *telling)
{
    PyObject *before[3];

    if (!is_to_be_kept(telling)) {
        PyErr_Clear();
        return;
    }
    memcpy(before, telling->error, sizeof(before));
    PyErr_Fetch(&telling->error[0], &telling->error[1], &telling->error[2]);
    for (int i = 0; i < 3; i++)
        Py_XDECREF(before[i]);
}

static bool is_told_to_stop(struct telling *telling)
{
    PyObject *fields = tuple_of(&telling->last);
    PyObject *answer = fields != NULL ? PyObject_Call(telling->function, fields, NULL) : NULL;
    const int stops = answer != NULL ? PyObject_IsTrue(answer) : -1;

    Py_XDECREF(fields);
    Py_XDECREF(answer);
    if (stops < 0)
        keep_error(telling);
    return stops != 0;
}

static bool is_interrupted(struct telling *telling)
{
    if (PyErr_CheckSignals() == 0)
        return false;
    keep_error(telling);
    return true;
}

/* Whether a signal may have come: Python runs its handlers in the main thread alone. */
static bool is_time_to_look(struct telling *telling)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    const int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (now_ms - telling->looked_ms < LOOK_EVERY_MS || !ms_py_is_main_thread())
        return false;
    telling->looked_ms = now_ms;
    return true;
}

static int tell(const memstore_progress *progress, void *context)
{
    struct telling *telling = context;

    telling->last = *progress;
    if (!telling->ends && (telling->function != NULL || is_time_to_look(telling))) {
        enter_function(telling);
        telling->ends =
            telling->function != NULL ? is_told_to_stop(telling) : is_interrupted(telling);
        leave_function(telling);
    }
    return telling->ends;
}

/* Asked by the library while a warming waits for a load of another thread, a place or the next attempt (WT-2). */
static bool goes_on(void *context)
{
    struct telling *telling = context;

    if (telling->ends)
        return false;
    if (!ms_py_is_main_thread()) {
        ms_wait_asked = NULL;
        return true;
    }
    enter_function(telling);
    telling->ends = is_interrupted(telling);
    leave_function(telling);
    return !telling->ends;
}

static void begin_telling(struct telling *telling, PyObject *handle, PyObject *progress)
{
    telling->function = progress != Py_None ? progress : NULL;
    telling->handle = handle;
    telling->away.asked = (struct ms_wait_asked){goes_on, telling, false};
}

/* Around the call of the library. */
static void begin_call(struct telling *telling)
{
    ms_py_calling_begins(telling->handle);
    ms_py_go_away(&telling->away);
}

static void end_call(struct telling *telling)
{
    telling->number = errno;
    ms_py_come_back(&telling->away);
    ms_py_calling_ends(telling->handle);
}

/* What the call returns: how far it came, or the exception. */
static PyObject *result_of(struct telling *telling, int status)
{
    if (telling->error[0] == NULL && status == MEMSTORE_OK)
        return tuple_of(&telling->last);
    if (telling->error[0] == NULL)
        return ms_py_raise_of_file(status, telling->number);
    PyErr_Restore(telling->error[0], telling->error[1], telling->error[2]);
    return NULL;
}

/* ---- Files ---- */

typedef int (*file_function)(memstore *store, const char *path, memstore_progress_fn fn,
                             void *context);

static PyObject *call_telling(struct telling *telling, PyObject *self, PyObject *progress,
                              file_function function, PyObject *path)
{
    const char *const text = PyBytes_AsString(path);

    begin_telling(telling, self, progress);
    begin_call(telling);
    const int status = function(ms_py_store_in((struct ms_py_handle *)self), text, tell, telling);
    end_call(telling);
    return result_of(telling, status);
}

static PyObject *call_with_path(PyObject *self, const char *name, file_function function,
                                PyObject *const *args, Py_ssize_t count)
{
    static const char *const names[] = {"path", "progress"};
    PyObject *given[2], *path;

    if (ms_py_arguments(name, args, count, NULL, names, 2, 2, given) != 0)
        return NULL;
    if (ms_py_handle_store(self) == NULL || !PyUnicode_FSConverter(given[0], &path))
        return NULL;
    struct telling *telling = PyMem_Calloc(1, sizeof(*telling));
    PyObject *result =
        telling != NULL ? call_telling(telling, self, given[1], function, path) : PyErr_NoMemory();
    PyMem_Free(telling);
    Py_DECREF(path);
    return result;
}

PyObject *ms_py_save(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return call_with_path(self, "_save", memstore_save, args, count);
}

PyObject *ms_py_load(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return call_with_path(self, "_load", memstore_load, args, count);
}

PyObject *ms_py_snapshot_info(PyObject *self, PyObject *path)
{
    memstore_snapshot_info info = {.struct_size = sizeof(info)};
    PyObject *encoded;
    int status, number;

    (void)self;
    if (!PyUnicode_FSConverter(path, &encoded))
        return NULL;
    const char *const text = PyBytes_AsString(encoded);
    Py_BEGIN_ALLOW_THREADS status = memstore_read_snapshot_info(text, &info);
    number = errno;
    Py_END_ALLOW_THREADS Py_DECREF(encoded);
    if (status != MEMSTORE_OK && status != MEMSTORE_ERR_UNSUPPORTED)
        return ms_py_raise_of_file(status, number);
    return Py_BuildValue("(IILKK)", info.version, info.compressed, (long long)info.saved_at_ms,
                         info.entries, info.bytes);
}

/* ---- Warming ---- */

/* The keys, and what the loader gave for the group at hand. */
struct warming {
    struct telling telling; /* first, so that it is told the progress */
    PyObject *loader;
    PyObject *objects; /* a tuple of the keys */
    struct ms_py_bytes *borrowed;
    memstore_key *keys;
    size_t count;
    size_t next;       /* of the keys, about where the next group lies */
    PyObject *results; /* a list of what `values` are borrowed from */
    struct ms_py_bytes *values;
    size_t valued;
};

static void forget_group(struct warming *warming)
{
    for (size_t i = 0; i < warming->valued; i++)
        ms_py_bytes_release(&warming->values[i]);
    PyMem_Free(warming->values);
    warming->values = NULL;
    warming->valued = 0;
    Py_CLEAR(warming->results);
}

static bool is_hashable(PyObject *object)
{
    const bool has_hash = PyObject_Hash(object) != -1;

    PyErr_Clear();
    return has_hash;
}

/* The object that a key of the library's is of, a new reference: they come in the order in which they were
 * given. No mapping has a mutable buffer as a key: its bytes stand in its place. */
static PyObject *object_of(struct warming *warming, const memstore_key *key)
{
    while (warming->keys[warming->next].data != key->data ||
           warming->keys[warming->next].size != key->size)
        warming->next = (warming->next + 1) % warming->count;
    PyObject *const given = PyTuple_GetItem(warming->objects, (Py_ssize_t)warming->next);
    return !warming->borrowed[warming->next].exported || is_hashable(given)
               ? Py_NewRef(given)
               : PyBytes_FromStringAndSize(key->data, (Py_ssize_t)key->size);
}

static PyObject *tuple_of_keys(struct warming *warming, const memstore_key *keys, size_t n)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);

    for (size_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *const object = object_of(warming, &keys[i]);

        if (object == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, (Py_ssize_t)i, object);
    }
    return tuple;
}

/* What the loader has for some keys. The list of them is its own: it may do with it as it likes. */
static PyObject *call_loader(struct warming *warming, PyObject *keys)
{
    PyObject *const list = PySequence_List(keys);
    PyObject *const loaded =
        list != NULL ? PyObject_CallFunctionObjArgs(warming->loader, list, NULL) : NULL;

    Py_XDECREF(list);
    return loaded;
}

/* One value, a new reference; None where the loader has none. */
static int take_value(struct warming *warming, PyObject *result, memstore_load_value *out)
{
    PyObject *value = result;

    if (result == Py_None)
        return 0;
    if (PyTuple_Check(result)) {
        if (PyTuple_Size(result) != 2) {
            PyErr_SetString(PyExc_TypeError, "a loader gives a value or (value, ttl) for a key");
            return -1;
        }
        value = PyTuple_GetItem(result, 0);
        if (ms_py_ttl(PyTuple_GetItem(result, 1), &out->ttl_ms) != 0)
            return -1;
    }
    struct ms_py_bytes *bytes = &warming->values[warming->valued];
    if (PyList_Append(warming->results, result) != 0 || ms_py_borrow_value(value, bytes) != 0)
        return -1;
    warming->valued++;
    out->value = bytes->data;
    out->value_size = bytes->size;
    out->result = MEMSTORE_LOAD_OK;
    return 0;
}

static int take_values(struct warming *warming, PyObject *keys, PyObject *loaded,
                       memstore_load_value *out)
{
    const Py_ssize_t n = PyTuple_Size(keys);

    if (!PyObject_HasAttrString(loaded, "get")) {
        PyErr_Format(PyExc_TypeError, "a loader of several keys returns a mapping, not %.100R",
                     loaded);
        return -1;
    }
    warming->results = PyList_New(0);
    warming->values = PyMem_Calloc((size_t)n, sizeof(*warming->values));
    if (warming->values == NULL && warming->results != NULL)
        PyErr_NoMemory();
    if (warming->results == NULL || warming->values == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *result = PyObject_CallMethod(loaded, "get", "O", PyTuple_GetItem(keys, i));
        const int taken = result != NULL ? take_value(warming, result, &out[i]) : -1;

        Py_XDECREF(result);
        if (taken != 0)
            return -1;
    }
    return 0;
}

static int load_with_gil(struct warming *warming, const memstore_key *keys, size_t n,
                         memstore_load_value *out)
{
    forget_group(warming);
    PyObject *group = tuple_of_keys(warming, keys, n);
    PyObject *loaded = group != NULL ? call_loader(warming, group) : NULL;
    int answer = MEMSTORE_LOAD_OK;

    if (loaded == NULL || take_values(warming, group, loaded, out) != 0) {
        PyObject *retry = ms_py_class_of(MEMSTORE_LOAD_RETRY);

        answer = retry != NULL && PyErr_ExceptionMatches(retry) ? MEMSTORE_LOAD_RETRY
                                                                : MEMSTORE_LOAD_FAILED;
        /* Interrupts end all of it. */
        warming->telling.ends |= !PyErr_ExceptionMatches(PyExc_Exception);
        if (answer == MEMSTORE_LOAD_RETRY)
            PyErr_Clear();
        else
            keep_error(&warming->telling);
    }
    Py_XDECREF(group);
    Py_XDECREF(loaded);
    return answer;
}

static int load_group(const memstore_key *keys, size_t n, memstore_load_value *out, void *context)
{
    struct warming *warming = context;

    if (warming->telling.ends)
        return MEMSTORE_LOAD_FAILED;
    ms_py_come_back(&warming->telling.away);
    const int answer = load_with_gil(warming, keys, n, out);
    ms_py_go_away(&warming->telling.away);
    return answer;
}

static int borrow_keys(struct warming *warming)
{
    const size_t n = (size_t)PyTuple_Size(warming->objects);

    warming->borrowed = PyMem_Calloc(n + 1, sizeof(*warming->borrowed));
    warming->keys = PyMem_Calloc(n + 1, sizeof(*warming->keys));
    if (warming->borrowed == NULL || warming->keys == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (; warming->count < n; warming->count++) {
        struct ms_py_bytes *bytes = &warming->borrowed[warming->count];

        if (ms_py_borrow_key(PyTuple_GetItem(warming->objects, (Py_ssize_t)warming->count),
                             bytes) != 0)
            return -1;
        warming->keys[warming->count] = (memstore_key){bytes->data, bytes->size};
    }
    return 0;
}

static PyObject *warm(memstore *store, struct warming *warming, int64_t ttl_ms)
{
    const memstore_loader loader = {.struct_size = sizeof(loader),
                                    .load_many = load_group,
                                    .context = warming,
                                    .ttl_ms = ttl_ms,
                                    .name = ""};

    if (borrow_keys(warming) != 0)
        return NULL;
    begin_call(&warming->telling);
    const int status =
        memstore_warm(store, warming->keys, warming->count, &loader, tell, &warming->telling);
    end_call(&warming->telling);
    return result_of(&warming->telling, status);
}

static struct warming *warming_of(PyObject *self, PyObject *keys, PyObject *loader,
                                  PyObject *progress)
{
    PyObject *const objects = PySequence_Tuple(keys);
    struct warming *const warming = objects != NULL ? PyMem_Calloc(1, sizeof(*warming)) : NULL;

    if (warming == NULL) {
        if (objects != NULL)
            PyErr_NoMemory();
        Py_XDECREF(objects);
        return NULL;
    }
    begin_telling(&warming->telling, self, progress);
    warming->loader = loader;
    warming->objects = objects;
    return warming;
}

static void forget_warming(struct warming *warming)
{
    if (warming == NULL)
        return;
    forget_group(warming);
    for (size_t i = 0; i < warming->count; i++)
        ms_py_bytes_release(&warming->borrowed[i]);
    PyMem_Free(warming->borrowed);
    PyMem_Free(warming->keys);
    Py_DECREF(warming->objects);
    PyMem_Free(warming);
}

/* _warm(keys, loader, ttl, progress) */
PyObject *ms_py_warm(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    static const char *const names[] = {"keys", "loader", "ttl", "progress"};
    PyObject *given[4];
    int64_t ttl_ms;

    if (ms_py_arguments("_warm", args, count, NULL, names, 4, 4, given) != 0)
        return NULL;
    memstore *store = ms_py_handle_store(self);
    if (store == NULL || ms_py_ttl(given[2], &ttl_ms) != 0)
        return NULL;
    if (PyUnicode_Check(given[0]) || PyBytes_Check(given[0])) {
        PyErr_SetString(PyExc_TypeError, "warm() takes an iterable of keys, not one key");
        return NULL;
    }
    struct warming *warming = warming_of(self, given[0], given[1], given[3]);
    PyObject *result = warming != NULL ? warm(store, warming, ttl_ms) : NULL;
    forget_warming(warming);
    return result;
}
