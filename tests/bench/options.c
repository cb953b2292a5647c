/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Options of a command, from its table.
 */
#include "command.h"

#include "output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 24

static bool
usage_error (const BenchCommand * command, const char *what, const char *which)
{
  bench_say ("%s '%s'; npu-bench %s --help lists the options", what, which,
      command->name);
  return false;
}

static void
print_option (const char *name, const char *argument, const char *help)
{
  char text[128];

  snprintf (text, sizeof (text), "  --%s%s%s", name, argument ? " " : "",
      argument ? argument : "");
  printf ("%-*s  %s\n", HELP_COLUMN, text, help);
}

static void
print_help (const BenchCommand * command, const BenchOption * options)
{
  printf ("Usage: npu-bench %s%s%s [OPTION...]\n\n%s\n\nOptions:\n",
      command->name, command->operand ? " " : "",
      command->operand ? command->operand : "", command->description);
  for (; options->name; options++)
    print_option (options->name, options->argument, options->help);
  print_option ("help", NULL, "print this");
}

/* Finds --name or --name=VALUE; @value points behind the = or is NULL. */
static const BenchOption *
find_option (const BenchOption * options, const char *text, const char **value)
{
  const char *equals = strchr (text, '=');
  size_t length = equals ? (size_t) (equals - text) : strlen (text);

  *value = equals ? equals + 1 : NULL;
  for (; options->name; options++)
    if (strlen (options->name) == length &&
        strncmp (options->name, text, length) == 0)
      return options;
  return NULL;
}

static bool
set_number (const BenchOption * option, const char *text)
{
  char *rest;
  double number = strtod (text, &rest);

  if (rest == text || *rest || !isfinite (number) || number < option->least ||
      number > option->most ||
      (option->type == BENCH_OPTION_COUNT && number != floor (number))) {
    bench_say ("--%s takes a%s number from %g to %g, not '%s'", option->name,
        option->type == BENCH_OPTION_COUNT ? " whole" : "", option->least,
        option->most, text);
    return false;
  }
  if (option->type == BENCH_OPTION_COUNT)
    *(unsigned *) option->value = (unsigned) number;
  else
    *(double *) option->value = number;
  return true;
}

static bool
set_option (const BenchCommand * command, const BenchOption * option,
    const char *value)
{
  if (option->type == BENCH_OPTION_FLAG) {
    if (value)
      return usage_error (command, "no value belongs to", option->name);
    *(bool *) option->value = true;
    return true;
  }
  if (!value || !*value)
    return usage_error (command, "a value is missing for", option->name);
  if (option->type == BENCH_OPTION_STRING) {
    *(const char **) option->value = value;
    return true;
  }
  return set_number (option, value);
}

static bool
take_operand (const BenchCommand * command, const char *text,
    const char **operand)
{
  if (!command->operand)
    return usage_error (command, "nothing is to be done with", text);
  if (*operand)
    return usage_error (command, "one at a time, please, not also", text);
  *operand = text;
  return true;
}

bool
bench_options_parse (const BenchCommand * command, const BenchOption * options,
    int argc, char **argv, const char **operand, int *status)
{
  bool only_operands = false;

  if (command->operand)
    *operand = NULL;
  *status = BENCH_EXIT_USAGE;
  for (int i = 0; i < argc; i++) {
    const BenchOption *option;
    const char *value;

    if (only_operands || strncmp (argv[i], "--", 2) != 0) {
      if (!only_operands && argv[i][0] == '-' && argv[i][1])
        return usage_error (command, "unknown option", argv[i]);
      if (!take_operand (command, argv[i], operand))
        return false;
      continue;
    }
    if (!argv[i][2]) {
      only_operands = true;
      continue;
    }
    if (strcmp (argv[i], "--help") == 0) {
      print_help (command, options);
      *status = BENCH_EXIT_OK;
      return false;
    }
    option = find_option (options, argv[i] + 2, &value);
    if (!option)
      return usage_error (command, "unknown option", argv[i]);
    if (option->type != BENCH_OPTION_FLAG && !value && i + 1 < argc)
      value = argv[++i];
    if (!set_option (command, option, value))
      return false;
  }
  if (command->operand && !*operand)
    return usage_error (command, "missing:", command->operand);
  return true;
}
