/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <structmember.h>

/* A pinned value.
 *
 *     with store.view(key) as memory:      memory is a memoryview over this object
 *
 * The value is unpinned as soon as it is released (by release(), by the end of the block, by the
 * object's death) and nothing that came out of its buffer is alive any more: an array or a slice
 * that outlives the block keeps its bytes in place. All that looks at its fields does so in a section of
 * the object. */
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

static int getbuffer_alone(PyObject *self, Py_buffer *buffer, int flags)
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

static int view_getbuffer(PyObject *self, Py_buffer *buffer, int flags)
{
    ms_py_section section;

    ms_py_enter(&section, self);
    const int status = getbuffer_alone(self, buffer, flags);
    ms_py_leave(&section);
    return status;
}

static void view_releasebuffer(PyObject *self, Py_buffer *Py_UNUSED(buffer))
{
    ms_py_section section;

    ms_py_enter(&section, self);
    as_view(self)->exports--;
    unpin_when_unused(as_view(self));
    ms_py_leave(&section);
}

static PyObject *view_release_alone(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    /* ORDER: relaxed; the attribute `released` is read outside of sections. */
    ms_plain_store_relaxed(&as_view(self)->released, true);
    unpin_when_unused(as_view(self));
    Py_RETURN_NONE;
}
MS_PY_METHOD_ALONE(view_release)

/* The memoryview of the block, as a new reference; if there is none, the one that is given becomes it. */
static PyObject *memory_or(PyObject *self, PyObject *made)
{
    ms_py_section section;

    ms_py_enter(&section, self);
    if (as_view(self)->memory == NULL)
        as_view(self)->memory = Py_XNewRef(made);
    PyObject *const memory = Py_XNewRef(as_view(self)->memory);
    ms_py_leave(&section);
    return memory;
}

static PyObject *view_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *memory = memory_or(self, NULL);

    if (memory != NULL)
        return memory;
    /* This asks for the buffer, which raises if the view is released. */
    PyObject *const made = PyMemoryView_FromObject(self);
    if (made == NULL)
        return NULL;
    /* Another thread may have been faster. */
    memory = memory_or(self, made);
    Py_DECREF(made);
    return memory;
}

static PyObject *take_memory(PyObject *self)
{
    ms_py_section section;

    ms_py_enter(&section, self);
    PyObject *const memory = as_view(self)->memory;
    as_view(self)->memory = NULL;
    ms_py_leave(&section);
    return memory;
}

static PyObject *view_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    PyObject *const memory = take_memory(self);

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

/* The view as it is now; whether it is not released yet. */
static bool look_at(PyObject *self, memstore_view *view)
{
    ms_py_section section;

    ms_py_enter(&section, self);
    *view = as_view(self)->view;
    const bool pinned = !as_view(self)->released;
    ms_py_leave(&section);
    return pinned;
}

static Py_ssize_t view_length(PyObject *self)
{
    memstore_view view;

    return look_at(self, &view) ? (Py_ssize_t)view.size : raise_released();
}

static PyObject *view_get_version(PyObject *self, void *Py_UNUSED(closure))
{
    memstore_view view;

    if (look_at(self, &view))
        return PyLong_FromUnsignedLongLong(view.version);
    raise_released();
    return NULL;
}

static PyObject *view_repr(PyObject *self)
{
    memstore_view view;

    return look_at(self, &view)
               ? PyUnicode_FromFormat("<memstore.View: %zu bytes, pinned>", view.size)
               : PyUnicode_FromString("<memstore.View: released>");
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
