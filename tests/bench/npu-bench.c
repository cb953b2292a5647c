/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npu-bench: measures devices and pipelines, and draws what was measured. Each
 * command is a file of its own; this one finds it.
 */
#include "command.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

static const BenchCommand *const commands[] = {
  &bench_block_command,
  &bench_dma_command,
  &bench_peak_command,
  &bench_timeline_command,
};

#define COMMANDS (sizeof (commands) / sizeof (commands[0]))

static void
print_help (FILE * file)
{
  fprintf (file, "Usage: npu-bench COMMAND [OPTION...]\n\nCommands:\n");
  for (size_t i = 0; i < COMMANDS; i++)
    fprintf (file, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
  fprintf (file, "\nnpu-bench COMMAND --help says more of each.\n");
}

int
main (int argc, char **argv)
{
  if (argc < 2) {
    print_help (stderr);
    return BENCH_EXIT_USAGE;
  }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0) {
    print_help (stdout);
    return BENCH_EXIT_OK;
  }
  for (size_t i = 0; i < COMMANDS; i++)
    if (strcmp (argv[1], commands[i]->name) == 0)
      return commands[i]->run (argc - 2, argv + 2);
  bench_say ("there is no command '%s'; npu-bench --help lists them", argv[1]);
  return BENCH_EXIT_USAGE;
}
