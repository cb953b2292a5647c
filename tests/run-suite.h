/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of every test program of the core.
 */
#ifndef TESTS_RUN_SUITE_H
#define TESTS_RUN_SUITE_H

#include <check.h>

/* Runs all of @suite as the environment says. Returns the program's status. */
static inline int
run_suite (Suite * suite)
{
  SRunner *runner = srunner_create (suite);
  int failed;

  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}

#endif
