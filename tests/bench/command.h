/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a command of npu-bench is, and how it gets its options: a table per
 * command, from which --help is made too.
 */
#ifndef NPU_BENCH_COMMAND_H
#define NPU_BENCH_COMMAND_H

#include <stdbool.h>

/* What npu-bench exits with. */
enum
{
  BENCH_EXIT_OK = 0,
  BENCH_EXIT_ERROR = 1,
  BENCH_EXIT_USAGE = 2,
};

typedef struct
{
  const char *name;             /* as typed after npu-bench */
  const char *operand;          /* "TRACE.json", required; NULL for none */
  const char *summary;          /* one line, for the list of commands */
  const char *description;      /* paragraphs for --help, lines up to 78 */
  /* Returns what to exit with. @argv is what follows the name. */
  int (*run) (int argc, char **argv);
} BenchCommand;

extern const BenchCommand bench_block_command;
extern const BenchCommand bench_dma_command;
extern const BenchCommand bench_peak_command;
extern const BenchCommand bench_timeline_command;

typedef enum
{
  BENCH_OPTION_FLAG,            /* bool */
  BENCH_OPTION_STRING,          /* const char *, within argv */
  BENCH_OPTION_COUNT,           /* unsigned */
  BENCH_OPTION_NUMBER,          /* double */
} BenchOptionType;

/* A row with a NULL name ends the table. */
typedef struct
{
  const char *name;             /* without the dashes */
  const char *argument;         /* "FILE" in --help; NULL for a flag */
  const char *help;             /* one line */
  BenchOptionType type;
  void *value;                  /* holds the default; set when given */
  double least, most;           /* of a count or a number */
} BenchOption;

/**
 * bench_options_parse:
 * Set the values of @options from @argv, and @operand where the command takes
 * one. --name VALUE and --name=VALUE are the same; --help prints the help.
 *
 * @operand  out; may be NULL where the command takes none
 * @status   out: what to exit with, when the command is not to go on
 *
 * Returns whether to go on. What was wrong is said on standard error.
 */
bool bench_options_parse (const BenchCommand * command,
    const BenchOption * options, int argc, char **argv, const char **operand,
    int *status);

#endif
