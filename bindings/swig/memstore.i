/* SPDX-License-Identifier: Apache-2.0 */
/* The interface that SWIG makes the private native layer of every language from;
 * tools/swig-generate.sh runs it.
 *
 * What is shared stands here and in status.i, bytes.i and glue.h; how a type looks in one language
 * stands in that language's typemaps.i. A call of the native layer is one crossing and reports
 * failure as memstore_status, never as an exception of its own, unless the language's typemaps.i
 * says otherwise. Applications use the hand-written layer above it. */
%module native

%{
#include <memstore/memstore.h>
%}

#if defined(SWIGGO)
/* The glue becomes part of the generated wrapper, so that the wrapper is complete in itself
 * wherever it is compiled. Python has bindings/python/native in its place, which makes Python's
 * objects without a copy through flat memory. */
%{
#include <memstore/direct.h>
%}
%insert("header") "log_queue.h"
%insert("header") "glue.h"
%insert("header") "glue.c"
%insert("header") "glue_many.c"
%insert("header") "glue_streams.c"
%insert("header") "glue_lease.c"
%insert("header") "glue_figures.c"
%insert("header") "glue_direct.c"
%include "../go/typemaps.i"
#elif defined(SWIGPYTHON)
%include "../python/typemaps.i"
#endif

%include "bytes.i"
%include "status.i"

%include <memstore/export.h>
%include <memstore/version.h>
%include <memstore/config.h>
%include <memstore/stats.h>
%include <memstore/advice.h>
%include <memstore/memstore.h>
%include <memstore/events.h>
#if defined(SWIGGO)
%include "glue.h"
#endif
