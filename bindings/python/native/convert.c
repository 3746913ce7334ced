/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static PyObject *timedelta_type;

static void borrow_bytes(PyObject *object, struct ms_py_bytes *out)
{
    out->data = PyBytes_AsString(object);
    out->size = (size_t)PyBytes_Size(object);
    out->exported = false;
}

/* Whether the items of a buffer are Python objects, or have some among their members: their bytes are
 * addresses. The names of members stand between colons. */
static bool holds_objects(const Py_buffer *buffer)
{
    bool named = false;

    for (const char *at = buffer->format; at != NULL && *at != '\0'; at++) {
        if (*at == ':')
            named = !named;
        else if (*at == 'O' && !named)
            return true;
    }
    return false;
}

/* As PyObject_GetBuffer(), and refuses objects. */
static int get_buffer(PyObject *object, Py_buffer *buffer, int flags)
{
    if (PyObject_GetBuffer(object, buffer, flags | PyBUF_FORMAT) != 0)
        return -1;
    if (!holds_objects(buffer))
        return 0;
    PyBuffer_Release(buffer);
    PyErr_SetString(PyExc_TypeError, "an array of objects has no bytes that could be stored");
    return -1;
}

/* Have `out` own bytes, whose reference is taken over; NULL is a failure. */
static int own_bytes(PyObject *bytes, struct ms_py_bytes *out)
{
    if (bytes == NULL)
        return -1;
    const int status = PyObject_GetBuffer(bytes, &out->buffer, PyBUF_SIMPLE);
    Py_DECREF(bytes);
    return status;
}

/* The bytes of a buffer that has gaps or another order (a slice with a step, an array by columns),
 * one after the other: a copy, which `out` owns. */
static int gather_buffer(PyObject *object, struct ms_py_bytes *out)
{
    PyErr_Clear();
    if (get_buffer(object, &out->buffer, PyBUF_FULL_RO) != 0)
        return -1;
    PyBuffer_Release(&out->buffer);
    return own_bytes(PyBytes_FromObject(object), out);
}

static int borrow_buffer(PyObject *object, struct ms_py_bytes *out)
{
    if (get_buffer(object, &out->buffer, PyBUF_ND) != 0 && gather_buffer(object, out) != 0)
        return -1;
    out->exported = true;
    /* An empty buffer may have no address, but the library takes NULL for a mistake. */
    out->data = out->buffer.buf != NULL ? out->buffer.buf : "";
    out->size = (size_t)out->buffer.len;
    return 0;
}

static int wrong_type(PyObject *object, const char *wanted)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");

    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "%s, not %U", wanted, name);
        Py_DECREF(name);
    }
    return -1;
}

static int borrow_text(PyObject *object, struct ms_py_bytes *out)
{
    Py_ssize_t size;

    out->data = PyUnicode_AsUTF8AndSize(object, &size);
    out->size = (size_t)size;
    out->exported = false;
    return out->data != NULL ? 0 : -1;
}

static int borrow_text_or_buffer(PyObject *object, struct ms_py_bytes *out, const char *wanted)
{
    if (PyUnicode_Check(object))
        return borrow_text(object, out);
    if (PyBytes_Check(object)) {
        borrow_bytes(object, out);
        return 0;
    }
    if (!PyObject_CheckBuffer(object))
        return wrong_type(object, wanted);
    return borrow_buffer(object, out);
}

/* A copy in place of a buffer, which others may write to during the call (PY-5). */
static int copy_buffer(struct ms_py_bytes *bytes)
{
    PyObject *const copy = PyBytes_FromStringAndSize(bytes->data, (Py_ssize_t)bytes->size);

    PyBuffer_Release(&bytes->buffer);
    if (own_bytes(copy, bytes) != 0)
        return -1;
    bytes->data = bytes->buffer.buf;
    return 0;
}

int ms_py_borrow_key_slow(PyObject *object, struct ms_py_bytes *out)
{
    if (borrow_text_or_buffer(object, out, "a key is a str or a bytes-like object") != 0)
        return -1;
    if (out->size > 0)
        return out->exported ? copy_buffer(out) : 0;
    ms_py_bytes_release(out);
    ms_py_raise_text(MEMSTORE_ERR_INVALID_ARGUMENT, "a key has at least one byte");
    return -1;
}

int ms_py_borrow_value_slow(PyObject *object, struct ms_py_bytes *out)
{
    if (PyBytes_Check(object)) {
        borrow_bytes(object, out);
        return 0;
    }
    if (!PyObject_CheckBuffer(object))
        return wrong_type(object, "a value is a bytes-like object");
    return borrow_buffer(object, out);
}

int ms_py_borrow_pattern(PyObject *object, struct ms_py_bytes *out)
{
    return borrow_text_or_buffer(object, out, "a pattern is a str or a bytes-like object");
}

int ms_py_borrow_yaml(PyObject *object, struct ms_py_bytes *out)
{
    return borrow_text_or_buffer(object, out, "a YAML text is a str or a bytes-like object");
}

static int seconds_of(PyObject *object, double *seconds, const char *wanted)
{
    PyObject *number = object;
    const int is_delta = PyFloat_Check(object) || PyLong_Check(object)
                             ? 0
                             : PyObject_IsInstance(object, timedelta_type);

    if (is_delta < 0)
        return -1;
    if (is_delta)
        number = PyObject_CallMethod(object, "total_seconds", NULL);
    else
        Py_INCREF(number);
    if (number == NULL)
        return -1;
    *seconds = PyFloat_AsDouble(number);
    Py_DECREF(number);
    if (*seconds != -1.0 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        *seconds = HUGE_VAL;
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
        return -1;
    PyErr_Clear();
    return wrong_type(object, wanted);
}

/* No TTL of the library's: 0 and -1 mean "never" and "default" to it; here those are None and Ellipsis. */
enum { REFUSED_TTL = -2 };

int ms_py_write_ttl(PyObject *object, int64_t *ttl_ms)
{
    double seconds;

    if (object == NULL || object == Py_Ellipsis) {
        *ttl_ms = MEMSTORE_TTL_DEFAULT;
        return 0;
    }
    if (object == Py_None) {
        *ttl_ms = MEMSTORE_TTL_NONE;
        return 0;
    }
    if (seconds_of(object, &seconds, "a TTL is a number of seconds, a timedelta or None") != 0)
        return -1;
    const double ms = nearbyint(seconds * 1000.0);
    /* The comparisons are false for NaN too. */
    if (!(seconds > 0 && ms < 0x1p63))
        *ttl_ms = REFUSED_TTL;
    else
        *ttl_ms = ms < 1 ? 1 : (int64_t)ms;
    return 0;
}

int ms_py_ttl(PyObject *object, int64_t *ttl_ms)
{
    if (ms_py_write_ttl(object, ttl_ms) != 0)
        return -1;
    if (*ttl_ms != REFUSED_TTL)
        return 0;
    ms_py_raise(MEMSTORE_ERR_INVALID_TTL, NULL);
    return -1;
}

/* Seconds to milliseconds, to the nearest; -1 with InvalidTTL if that is no int64_t. */
static int milliseconds(double seconds, int64_t *out)
{
    const double ms = nearbyint(seconds * 1000.0);

    /* The comparison is false for NaN too. */
    if (!(ms >= -0x1p63 && ms < 0x1p63)) {
        ms_py_raise_text(MEMSTORE_ERR_INVALID_TTL,
                         "a time is a finite number of seconds within 292 million years");
        return -1;
    }
    *out = (int64_t)ms;
    return 0;
}

int ms_py_unix_time(PyObject *object, int64_t *unix_ms)
{
    static const char wanted[] = "a time is an aware datetime or a number of Unix seconds";
    const int is_delta = PyObject_IsInstance(object, timedelta_type);
    double seconds;

    if (is_delta != 0)
        return is_delta < 0 ? -1 : wrong_type(object, wanted);
    if (seconds_of(object, &seconds, wanted) != 0)
        return -1;
    return milliseconds(seconds, unix_ms);
}

/* An int, or what stands for one, as numpy's do. A new reference. */
static PyObject *index_of(PyObject *object, const char *name)
{
    char wanted[64];

    if (PyIndex_Check(object))
        return PyNumber_Index(object);
    snprintf(wanted, sizeof(wanted), "%s is an int", name);
    wrong_type(object, wanted);
    return NULL;
}

int ms_py_int64(PyObject *object, const char *name, int64_t *out)
{
    PyObject *number = index_of(object, name);
    int overflow = 0;

    if (number == NULL)
        return -1;
    *out = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    if (overflow != 0)
        PyErr_Format(PyExc_OverflowError, "%s is an int of 64 bits: from -2**63 to 2**63 - 1",
                     name);
    return PyErr_Occurred() ? -1 : 0;
}

int ms_py_version(PyObject *object, uint64_t *out)
{
    PyObject *number = index_of(object, "version");

    if (number == NULL)
        return -1;
    *out = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    if (!PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_SetString(PyExc_OverflowError, "version is an int from 0 to 2**64 - 1");
    return -1;
}

static Py_ssize_t index_of_name(PyObject *name, const char *const *names, Py_ssize_t max)
{
    for (Py_ssize_t i = 0; i < max; i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return i;
    return -1;
}

int ms_py_arguments(const char *function, PyObject *const *args, Py_ssize_t count,
                    PyObject *kwnames, const char *const *names, Py_ssize_t required,
                    Py_ssize_t max, PyObject **out)
{
    const Py_ssize_t keywords = kwnames != NULL ? PyTuple_Size(kwnames) : 0;

    if (count > max) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", function, max,
                     count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < max; i++)
        out[i] = i < count ? args[i] : NULL;
    for (Py_ssize_t i = 0; i < keywords; i++) {
        PyObject *name = PyTuple_GetItem(kwnames, i);
        const Py_ssize_t at = index_of_name(name, names, max);

        if (at < 0 || out[at] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         at < 0 ? "%s() got an unexpected keyword argument '%U'"
                                : "%s() got multiple values for argument '%U'",
                         function, name);
            return -1;
        }
        out[at] = args[count + i];
    }
    for (Py_ssize_t i = 0; i < required; i++) {
        if (out[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", function,
                         names[i]);
            return -1;
        }
    }
    return 0;
}

PyObject *ms_py_tuple_of_counts(const uint64_t *counts, size_t n)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);

    for (size_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(counts[i]);

        if (count == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, (Py_ssize_t)i, count);
    }
    return tuple;
}

PyObject *ms_py_tuple_of_rates(const memstore_rates *rates)
{
    return Py_BuildValue(
        "(ddddddddddddKKddddddd)", rates->window_seconds, rates->hits, rates->misses, rates->sets,
        rates->deletes, rates->evictions, rates->expirations, rates->rejected, rates->written_bytes,
        rates->moved_bytes, rates->hit_rate, rates->memory_usage, (unsigned long long)rates->alerts,
        (unsigned long long)rates->alerts_raised, rates->reclaim_pressure, rates->load_failure_rate,
        rates->pinned, rates->updates, rates->loads, rates->load_failures, rates->stale_served);
}

static int take_text(const char *data, size_t size, void *context)
{
    PyObject **text = context;

    ms_py_call_ends();
    *text = PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, NULL);
    return *text == NULL;
}

static PyObject *text_of(memstore *store, int (*write)(memstore *, memstore_write_fn, void *))
{
    PyObject *text = NULL;
    /* A report looks at many entries. */
    ms_py_call_begins(true);
    const int status = write(store, take_text, &text);
    ms_py_call_ends();

    if (status != MEMSTORE_OK && !PyErr_Occurred())
        ms_py_raise(status, NULL);
    return text;
}

PyObject *ms_py_metrics_text(memstore *store)
{
    return text_of(store, memstore_metrics_text);
}

PyObject *ms_py_advise_text(memstore *store)
{
    return text_of(store, memstore_advise_text);
}

PyObject *ms_py_advise_json(memstore *store)
{
    return text_of(store, memstore_advise_json);
}

int ms_py_convert_init(void)
{
    PyObject *datetime = timedelta_type == NULL ? PyImport_ImportModule("datetime") : NULL;

    if (datetime != NULL) {
        timedelta_type = PyObject_GetAttrString(datetime, "timedelta");
        Py_DECREF(datetime);
    }
    ms_py_keep(&timedelta_type);
    return timedelta_type != NULL ? 0 : -1;
}
