/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every kernel of every set that this processor can run against the portable
 * one, on random shapes, with what must not be read poisoned with NaN and what
 * must not be written guarded; and, with --bench, how long each takes.
 *
 * kernels [--bench] [--seed N]; prints TAP, in bench mode a table.
 */
#include "kernels/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned cases, failures;

void
report (const char *set, const char *kernel, const char *why, double error)
{
  cases++;
  if (why)
    failures++;
  printf ("%sok %u - %s %s, relative error %.2g%s%s\n", why ? "not " : "",
      cases, set, kernel, error, why ? ": " : "", why ? why : "");
}

int
main (int argc, char **argv)
{
  unsigned long long seed = (unsigned long long) time (NULL);
  const char *const *name = npu_kernels_names ();
  bool bench = false;
  NpuKernels portable;

  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--bench") == 0)
      bench = true;
    else if (strcmp (argv[i], "--seed") == 0 && i + 1 < argc)
      seed = strtoull (argv[++i], NULL, 0);
    else
      return fprintf (stderr, "usage: %s [--bench] [--seed N]\n", argv[0]), 2;
  }
  npu_kernels_init_c (&portable);
  for (; *name; name++) {
    NpuKernels set;

    if (!npu_kernels_init (&set, *name))
      return 1;
    seed_random (seed);
    if (bench) {
      bench_set (&set, &portable);
      continue;
    }
    check_gemm (&set, &portable);
    check_layer_norm (&set, &portable);
    check_attention (&set, &portable);
    check_window (&set, &portable);
    check_rank (&set, &portable);
  }
  if (bench)
    bench_tiles ();
  else
    printf ("# seed %llu (--seed %llu repeats it)\n1..%u\n", seed, seed, cases);
  return failures ? 1 : 0;
}
