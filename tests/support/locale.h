/* SPDX-License-Identifier: Apache-2.0 */
/* A locale that writes numbers with a comma, whichever ones the system has. */
#ifndef TEST_LOCALE_H
#define TEST_LOCALE_H

#include <stdbool.h>

/* Let this process write 1.5 as "1,5". False where the C library reads another form of locales than
 * glibc's. */
bool test_locale_comma(void);

#endif
