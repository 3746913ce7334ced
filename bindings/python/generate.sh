#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make native/memstore_wrap.c anew: usage generate.sh SWIG. Called by tools/swig-generate.sh, which checks SWIG's
# version.
#
# -noproxy: the classes that people use are written by hand, so SWIG's Python proxies, which cost more than a look-up,
# are not made at all. -threads gives each function that typemaps.i marks with %thread a release of the GIL; -nogil tells
# a free-threaded Python that the module needs none.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

cd "$here/../swig"
"$1" -python -module _native -noproxy -threads -nogil -Wall -I../../include -I. \
    -outdir "$here/native" -o "$here/native/memstore_wrap.c" memstore.i
sed -i -e '1i /* SPDX-License-Identifier: Apache-2.0 */' -e 's/[ \t]*$//' "$here/native/memstore_wrap.c"
