/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <structmember.h>

/* While a thread waits for an event it looks whether a signal has come, so often. */
enum { SLICE_MS = 200 };

/* A queue of events. All that looks at its fields does so in a section of the object.
 *
 * The subscription is closed by whoever finds it `closed` and not in use: no thread may be in
 * memstore_subscription_next(), nor about to call it. */
struct ms_py_subscription {
    PyObject_HEAD memstore_subscription *subscription; /* NULL before it is made and once closed */
    PyObject *handle;                                  /* PY-1 */
    unsigned users;                                    /* threads in next() */
    bool closed;
    uint64_t dropped; /* as of when it was closed */
};

static inline struct ms_py_subscription *as_subscription(PyObject *self)
{
    return (struct ms_py_subscription *)self;
}

static void close_when_unused(struct ms_py_subscription *self)
{
    memstore_subscription *subscription = self->subscription;

    if (!self->closed || subscription == NULL)
        return;
    if (self->users != 0) {
        /* Whoever wakes wakes the next. */
        memstore_subscription_wake(subscription);
        return;
    }
    self->dropped = memstore_subscription_dropped(subscription);
    self->subscription = NULL;
    memstore_subscription_close(subscription);
}

static PyObject *raise_closed(void)
{
    return ms_py_raise_text(MEMSTORE_ERR_CACHE_CLOSED, "the subscription is closed");
}

static int init_alone(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct ms_py_subscription *made = as_subscription(self);
    PyObject *handle;
    unsigned int mask;
    Py_ssize_t queue_size;

    if (kwargs != NULL && PyDict_Size(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Subscription takes no keyword arguments");
        return -1;
    }
    if (made->subscription != NULL || made->closed) {
        PyErr_SetString(PyExc_TypeError, "the subscription is made already");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "OIn", &handle, &mask, &queue_size))
        return -1;
    memstore *store = ms_py_handle_store(handle);
    if (store == NULL)
        return -1;
    int status = MEMSTORE_ERR_INVALID_ARGUMENT;
    if (queue_size >= 0) {
        Py_BEGIN_ALLOW_THREADS status =
            memstore_subscribe(store, mask, (size_t)queue_size, &made->subscription);
        Py_END_ALLOW_THREADS
    }
    if (status != MEMSTORE_OK) {
        ms_py_raise(status, NULL);
        return -1;
    }
    Py_INCREF(handle);
    made->handle = handle;
    return 0;
}

static int subscription_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    ms_py_section section;

    ms_py_enter(&section, self);
    const int status = init_alone(self, args, kwargs);
    ms_py_leave(&section);
    return status;
}

/* (kind, key, value, version, expires_at_ms, at_ms, dropped, alert, raised, its value, its threshold), of an event that is released. */
static PyObject *tuple_of_event(memstore_event *event)
{
    PyObject *tuple = Py_BuildValue(
        "(Iy#y#KLLKIIdd)", (unsigned int)event->kind,
        event->key.data != NULL ? (const char *)event->key.data : "", (Py_ssize_t)event->key.size,
        event->value.data != NULL ? (const char *)event->value.data : "",
        (Py_ssize_t)event->value.size, (unsigned long long)event->value.version,
        (long long)event->value.expires_at_ms, (long long)event->at_ms,
        (unsigned long long)event->dropped, (unsigned int)event->alert, (unsigned int)event->raised,
        event->alert_value, event->alert_threshold);

    memstore_view_release(&event->value);
    return tuple;
}

/* Wait at most so long in all; a status, or -1 with an exception set, as an int that is no status. */
#define RAISED 1
static int wait_in_slices(struct ms_py_subscription *self, int64_t timeout_ms,
                          memstore_event *event)
{
    for (;;) {
        const int64_t slice = timeout_ms < 0 || timeout_ms > SLICE_MS ? SLICE_MS : timeout_ms;
        int status;

        Py_BEGIN_ALLOW_THREADS status =
            memstore_subscription_next(self->subscription, slice, event);
        Py_END_ALLOW_THREADS if (status != MEMSTORE_ERR_LOCK_TIMEOUT) return status;
        if (self->closed)
            return MEMSTORE_ERR_CACHE_CLOSED;
        if (PyErr_CheckSignals() != 0)
            return RAISED;
        if (timeout_ms >= 0 && (timeout_ms -= slice) == 0)
            return status;
    }
}

static PyObject *subscription_next_alone(PyObject *object, PyObject *args)
{
    struct ms_py_subscription *self = as_subscription(object);
    memstore_event event = {.struct_size = sizeof event};
    long long timeout_ms;
    int status;

    if (!PyArg_ParseTuple(args, "L", &timeout_ms))
        return NULL;
    if (self->closed || self->subscription == NULL)
        return raise_closed();
    self->users++;
    if (timeout_ms == 0)
        status = memstore_subscription_next(self->subscription, 0, &event);
    else
        status = wait_in_slices(self, timeout_ms, &event);
    /* Unless a signal's handler has forked meanwhile, and the child forgotten this. */
    self->users -= self->users != 0;
    PyObject *result = NULL;
    if (status == MEMSTORE_OK) {
        result = tuple_of_event(&event);
    } else if (status == MEMSTORE_ERR_LOCK_TIMEOUT) {
        Py_INCREF(Py_None);
        result = Py_None;
    } else if (status != RAISED) {
        raise_closed();
    }
    close_when_unused(self);
    return result;
}

MS_PY_METHOD_ALONE(subscription_next)

static void end(struct ms_py_subscription *self)
{
    /* ORDER: relaxed; the attribute `closed` is read outside of sections. */
    ms_plain_store_relaxed(&self->closed, true);
    close_when_unused(self);
}

static PyObject *subscription_close_alone(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    end(as_subscription(self));
    Py_RETURN_NONE;
}
MS_PY_METHOD_ALONE(subscription_close)

/* In the child of a fork(): the threads that were in next() are not here to leave it. */
static PyObject *subscription_forget_users_alone(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    as_subscription(self)->users = 0;
    close_when_unused(as_subscription(self));
    Py_RETURN_NONE;
}
MS_PY_METHOD_ALONE(subscription_forget_users)

static PyObject *subscription_get_dropped(PyObject *self, void *Py_UNUSED(closure))
{
    const struct ms_py_subscription *made = as_subscription(self);
    ms_py_section section;

    ms_py_enter(&section, self);
    const uint64_t dropped = made->subscription != NULL
                                 ? memstore_subscription_dropped(made->subscription)
                                 : made->dropped;
    ms_py_leave(&section);
    return PyLong_FromUnsignedLongLong(dropped);
}

/* So that a store that refers to its own subscriptions is found to be garbage. */
static int subscription_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_subscription(self)->handle);
    return 0;
}

static void subscription_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(self);
    end(as_subscription(self));
    Py_XDECREF(as_subscription(self)->handle);
    free_object(self);
    Py_DECREF(type);
}

static PyMethodDef subscription_methods[] = {
    {"_next", subscription_next, METH_VARARGS, NULL},
    {"_forget_users", subscription_forget_users, METH_NOARGS, NULL},
    {"close", subscription_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "End the subscription; whoever waits for an event of it stops. Closing again does nothing."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef subscription_properties[] = {
    {"dropped", subscription_get_dropped, NULL,
     "How many events were lost because the queue or the memory for events was full.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef subscription_members[] = {
    {"closed", T_BOOL, offsetof(struct ms_py_subscription, closed), READONLY,
     "Whether close() was called."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot subscription_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, subscription_init},
    {Py_tp_dealloc, subscription_dealloc},
    {Py_tp_traverse, subscription_traverse},
    {Py_tp_methods, subscription_methods},
    {Py_tp_getset, subscription_properties},
    {Py_tp_members, subscription_members},
    {Py_tp_doc, (char *)"What memstore.Subscription derives from."},
    {0, NULL},
};

static PyType_Spec subscription_spec = {
    .name = "memstore._native.Subscription",
    .basicsize = sizeof(struct ms_py_subscription),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = subscription_slots,
};

int ms_py_subscription_init(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&subscription_spec);

    if (type == NULL)
        return -1;
    const int status = PyModule_AddObjectRef(module, "Subscription", type);
    Py_DECREF(type);
    return status;
}
