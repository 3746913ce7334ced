/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <structmember.h>

/* A pinned value.
 *
 *     with store.view(key) as memory:      memory is a memoryview over this object
 *
 * The value is unpinned as soon as it is released (by release(), by the end of the block, by the
 * object's death) and nothing that came out of its buffer is alive any more: an array or a slice
 * that outlives the block keeps its bytes in place. */
struct ms_py_view {
    PyObject_HEAD memstore_view view; /* all zero when unpinned */
    /* keeps the store from being destroyed while the view is pinned (PY-1) */
    PyObject *handle;
    PyObject *memory;   /* the memoryview of the block that is being run, or NULL */
    Py_ssize_t exports; /* buffers given out and not given back */
    bool released;
};

static PyTypeObject *view_type;

static inline struct ms_py_view *as_view(PyObject *self)
{
    return (struct ms_py_view *)self;
}

PyObject *ms_py_view_new(struct ms_py_handle *handle, memstore_view *view)
{
    struct ms_py_view *self = PyObject_GC_New(struct ms_py_view, view_type);

    if (self == NULL) {
        memstore_view_release(view);
        return NULL;
    }
    self->view = *view;
    Py_INCREF((PyObject *)handle);
    self->handle = (PyObject *)handle;
    self->memory = NULL;
    self->exports = 0;
    self->released = false;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static void unpin_when_unused(struct ms_py_view *self)
{
    if (self->released && self->exports == 0)
        memstore_view_release(&self->view);
}

static int raise_released(void)
{
    PyErr_SetString(PyExc_ValueError, "the view is released");
    return -1;
}

static int view_getbuffer(PyObject *self, Py_buffer *buffer, int flags)
{
    struct ms_py_view *view = as_view(self);

    if (view->released) {
        buffer->obj = NULL;
        return raise_released();
    }
    /* The library promises that a view's bytes never change; read-only exports never write them. */
    if (PyBuffer_FillInfo(buffer, self, (void *)view->view.data, (Py_ssize_t)view->view.size, 1,
                          flags) != 0)
        return -1;
    view->exports++;
    return 0;
}

static void view_releasebuffer(PyObject *self, Py_buffer *Py_UNUSED(buffer))
{
    as_view(self)->exports--;
    unpin_when_unused(as_view(self));
}

static PyObject *view_release(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    as_view(self)->released = true;
    unpin_when_unused(as_view(self));
    Py_RETURN_NONE;
}

static PyObject *view_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    struct ms_py_view *view = as_view(self);

    if (view->released) {
        raise_released();
        return NULL;
    }
    if (view->memory == NULL)
        view->memory = PyMemoryView_FromObject(self);
    Py_XINCREF(view->memory);
    return view->memory;
}

static PyObject *view_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    PyObject *memory = as_view(self)->memory;

    as_view(self)->memory = NULL;
    if (memory != NULL) {
        PyObject *done = PyObject_CallMethod(memory, "release", NULL);

        /* BufferError: something made from the memoryview is alive. It keeps its bytes, as said
         * above. */
        if (done == NULL && !PyErr_ExceptionMatches(PyExc_BufferError)) {
            Py_DECREF(memory);
            return NULL;
        }
        PyErr_Clear();
        Py_XDECREF(done);
        Py_DECREF(memory);
    }
    return view_release(self, NULL);
}

static Py_ssize_t view_length(PyObject *self)
{
    return as_view(self)->released ? raise_released() : (Py_ssize_t)as_view(self)->view.size;
}

static PyObject *view_get_version(PyObject *self, void *Py_UNUSED(closure))
{
    if (as_view(self)->released) {
        raise_released();
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(as_view(self)->view.version);
}

static PyObject *view_repr(PyObject *self)
{
    const struct ms_py_view *view = as_view(self);

    if (view->released)
        return PyUnicode_FromString("<memstore.View: released>");
    return PyUnicode_FromFormat("<memstore.View: %zu bytes, pinned>", view->view.size);
}

static int view_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_view(self)->handle);
    Py_VISIT(as_view(self)->memory);
    return 0;
}

/* Breaks the cycle view -> memory -> view. The reference to the handle stays: the bytes may be
 * in use. */
static int view_clear(PyObject *self)
{
    Py_CLEAR(as_view(self)->memory);
    return 0;
}

static void view_dealloc(PyObject *self)
{
    struct ms_py_view *view = as_view(self);
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_CLEAR(view->memory);
    memstore_view_release(&view->view);
    Py_DECREF(view->handle);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef view_methods[] = {
    {"release", view_release, METH_NOARGS,
     "release($self, /)\n--\n\nUnpin the value. Releasing again does nothing."},
    {"__enter__", view_enter, METH_NOARGS, NULL},
    {"__exit__", view_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef view_properties[] = {
    {"version", view_get_version, NULL, "The version of the value, for compare_and_set().", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef view_members[] = {
    {"released", T_BOOL, offsetof(struct ms_py_view, released), READONLY,
     "Whether release() was called."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot view_slots[] = {
    {Py_tp_dealloc, view_dealloc},
    {Py_tp_traverse, view_traverse},
    {Py_tp_clear, view_clear},
    {Py_tp_methods, view_methods},
    {Py_tp_getset, view_properties},
    {Py_tp_members, view_members},
    {Py_tp_repr, view_repr},
    {Py_mp_length, view_length},
    {Py_bf_getbuffer, view_getbuffer},
    {Py_bf_releasebuffer, view_releasebuffer},
    {Py_tp_doc, (char *)"A value in the store's own memory, pinned: see Store.view()."},
    {0, NULL},
};

static PyType_Spec view_spec = {
    .name = "memstore.View",
    .basicsize = sizeof(struct ms_py_view),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = view_slots,
};

int ms_py_view_init(PyObject *module)
{
    return ms_py_add_type(module, &view_type, &view_spec, "View");
}
