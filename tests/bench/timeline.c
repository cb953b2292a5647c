/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npu-bench timeline: a recorded timeline as a picture.
 */
#include "command.h"
#include "output.h"
#include "timeline-picture.h"
#include "trace.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No range is shorter: times are recorded in nanoseconds. */
#define RANGE_LEAST 1e-8

/* TRACE.json becomes TRACE.svg, anything else gets .svg. NULL when memory ran
 * out; to be freed. */
static char *
name_output (const char *input)
{
  size_t length = strlen (input);
  char *name = malloc (length + sizeof (".svg"));

  if (!name)
    return NULL;
  strcpy (name, input);
  if (length > 5 && strcmp (input + length - 5, ".json") == 0)
    length -= 5;
  strcpy (name + length, ".svg");
  return name;
}

static bool
any_in_range (const BenchTrace * trace, double from, double to)
{
  for (size_t i = 0; i < trace->count; i++)
    if (trace->spans[i].end >= from && trace->spans[i].start <= to)
      return true;
  return false;
}

static bool
draw (const BenchTrace * trace, double from, double to, const char *path)
{
  BenchTraceFigures figures;

  to = fmin (to, trace->end);
  if ((from > 0 && from >= trace->end) || !any_in_range (trace, from, to)) {
    bench_say ("nothing happens from %g s to %g s: the timeline ends at %g s",
        from, to, trace->end);
    return false;
  }
  to = fmax (to, from + RANGE_LEAST);
  figures = bench_trace_figures (trace, from, to);
  if (!bench_timeline_draw (trace, &figures, from, to, path))
    return false;
  if (strcmp (path, "-") != 0)
    printf ("%s: %zu windows%s, run %.3f ms, transfers %.3f ms a window, "
        "%.1f %% of them hidden behind runs\n", path, figures.windows,
        trace->emulated ? " (emulated)" : "", figures.mean_run * 1e3,
        figures.mean_transfer * 1e3, figures.hidden * 100);
  return true;
}

static int
run (int argc, char **argv)
{
  const char *input, *output = NULL;
  double from = 0, to = DBL_MAX;
  const BenchOption options[] = {
    {"output", "FILE", "the picture (SVG); - is standard output "
          "[TRACE.svg]", BENCH_OPTION_STRING, &output, 0, 0},
    {"from", "SECONDS", "leave out what ends before [0]", BENCH_OPTION_NUMBER,
        &from, 0, 1e9},
    {"to", "SECONDS", "leave out what begins after [the end]",
        BENCH_OPTION_NUMBER, &to, 0, 1e9},
    {NULL, NULL, NULL, BENCH_OPTION_FLAG, NULL, 0, 0}
  };
  NpuError error = { 0 };
  BenchTrace trace;
  char *name = NULL;
  int status;

  if (!bench_options_parse (&bench_timeline_command, options, argc, argv,
          &input, &status))
    return status;
  if (to <= from) {
    bench_say ("--to %g must be later than --from %g", to, from);
    return BENCH_EXIT_USAGE;
  }
  if (bench_trace_read (input, &trace, &error) != NPU_OK) {
    bench_say ("%s", error.message);
    return BENCH_EXIT_ERROR;
  }
  if (!output)
    output = name = name_output (input);
  status = output && draw (&trace, from, to, output) ? BENCH_EXIT_OK :
      BENCH_EXIT_ERROR;
  free (name);
  bench_trace_clear (&trace);
  return status;
}

const BenchCommand bench_timeline_command = {
  .name = "timeline",
  .operand = "TRACE.json",
  .summary = "draw a recorded timeline as a picture (SVG)",
  .description =
      "Draws the stages of every window over time. Record TRACE.json by\n"
      "setting GST_NPU_TIMELINE=TRACE.json in the environment of any\n"
      "pipeline. Seconds count from where the first stage began.",
  .run = run,
};
