/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include "log_queue.h"

/* While a thread waits for a record it looks whether the interpreter wants something, so often. */
enum { LOG_WAIT_MS = 500 };

/* A queue of records. The library's thread puts them in without the GIL; who takes them out and the
 * Handle of the store hold references to it, so that it outlives the store. */
struct ms_py_log_queue {
    PyObject_HEAD glue_log *log; /* NULL before set_logger(), which comes before any other thread */
};

static PyTypeObject *log_queue_type;

static inline struct ms_py_log_queue *as_log_queue(PyObject *self)
{
    return (struct ms_py_log_queue *)self;
}

int ms_py_set_logger(memstore_config *config, int level, PyObject *queue)
{
    if (!PyObject_TypeCheck(queue, log_queue_type) || as_log_queue(queue)->log != NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    as_log_queue(queue)->log = glue_log_new(config, level);
    return as_log_queue(queue)->log != NULL ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED;
}

int ms_py_keep_log(PyObject *handle, PyObject *queue)
{
    return PyObject_TypeCheck(queue, log_queue_type) && ms_py_handle_keep_log(handle, queue)
               ? MEMSTORE_OK
               : MEMSTORE_ERR_INVALID_ARGUMENT;
}

void ms_py_log_end(PyObject *queue)
{
    if (queue != NULL && as_log_queue(queue)->log != NULL)
        glue_log_end(as_log_queue(queue)->log);
}

/* A text that a path, for one, may have made no UTF-8. Moves on to the next. */
static PyObject *take_text(const char **next)
{
    const char *text = *next;
    const size_t size = strlen(text);

    *next += size + 1;
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
}

static PyObject *value_of(char kind, const char **next)
{
    const char *text = *next;

    *next += strlen(text) + 1;
    switch (kind) {
    case MEMSTORE_LOG_INTEGER:
        return PyLong_FromString(text, NULL, 10);
    case MEMSTORE_LOG_REAL: {
        const double value = PyOS_string_to_double(text, NULL, NULL);

        return value == -1 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
    }
    case MEMSTORE_LOG_BOOLEAN:
        return PyBool_FromLong(text[0] == 't');
    default:
        return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    }
}

static PyObject *fields_of(const char **next, uint64_t count)
{
    PyObject *fields = PyDict_New();

    for (uint64_t i = 0; i < count && fields != NULL; i++) {
        const char kind = *(*next)++;
        PyObject *name = take_text(next);
        PyObject *value = value_of(kind, next);

        if (name == NULL || value == NULL || PyDict_SetItem(fields, name, value) != 0)
            Py_CLEAR(fields);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return fields;
}

/* (level, at_ms, suppressed, store, event, message, fields) */
static PyObject *tuple_of_record(const char *data)
{
    uint64_t head[GLUE_LOG_HEAD];
    const char *next = data + sizeof head;

    memcpy(head, data, sizeof head);
    PyObject *store = take_text(&next);
    PyObject *event = take_text(&next);
    PyObject *message = take_text(&next);
    PyObject *fields = fields_of(&next, head[4]);

    if (store == NULL || event == NULL || message == NULL || fields == NULL) {
        Py_XDECREF(store);
        Py_XDECREF(event);
        Py_XDECREF(message);
        Py_XDECREF(fields);
        return NULL;
    }
    return Py_BuildValue("(iLKNNNN)", (int)head[1], (long long)head[2], (unsigned long long)head[3],
                         store, event, message, fields);
}

static PyObject *list_of_records(const char *data, size_t size)
{
    PyObject *list = PyList_New(0);

    for (size_t at = 0; at < size && list != NULL;) {
        PyObject *record = tuple_of_record(data + at);
        uint64_t bytes;

        memcpy(&bytes, data + at, sizeof bytes);
        at += (size_t)bytes;
        if (record == NULL || PyList_Append(list, record) != 0)
            Py_CLEAR(list);
        Py_XDECREF(record);
    }
    return list;
}

/* A list of records, empty when none came for a while; None when no more will come. */
static PyObject *log_queue_take(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    glue_log *const log = as_log_queue(self)->log;
    char buf[2 * GLUE_LOG_LONGEST];
    int64_t used = MEMSTORE_ERR_CACHE_CLOSED;

    if (log != NULL) {
        Py_BEGIN_ALLOW_THREADS used = glue_log_fill(log, LOG_WAIT_MS, buf, sizeof buf);
        Py_END_ALLOW_THREADS
    }
    if (used < 0)
        Py_RETURN_NONE;
    return list_of_records(buf, (size_t)used);
}

static PyObject *log_queue_end(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ms_py_log_end(self);
    Py_RETURN_NONE;
}

static PyObject *log_queue_forget(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (as_log_queue(self)->log != NULL)
        glue_log_forget(as_log_queue(self)->log);
    Py_RETURN_NONE;
}

static void log_queue_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    glue_log *const log = as_log_queue(self)->log;

    /* References to this object stand for both users. */
    if (log != NULL) {
        glue_log_drop(log);
        glue_log_drop(log);
    }
    free_object(self);
    Py_DECREF(type);
}

static PyMethodDef log_queue_methods[] = {
    {"take", log_queue_take, METH_NOARGS, NULL},
    {"end", log_queue_end, METH_NOARGS, NULL},
    {"forget", log_queue_forget, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot log_queue_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, log_queue_dealloc},
    {Py_tp_methods, log_queue_methods},
    {Py_tp_doc, (char *)"Records of a store's log on their way to a thread of memstore.log."},
    {0, NULL},
};

static PyType_Spec log_queue_spec = {
    .name = "memstore._native.LogQueue",
    .basicsize = sizeof(struct ms_py_log_queue),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = log_queue_slots,
};

int ms_py_log_init(PyObject *module)
{
    return ms_py_add_type(module, &log_queue_type, &log_queue_spec, "LogQueue");
}
