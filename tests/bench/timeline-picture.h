/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The picture of a timeline: a lane for each stage, a bar for each span.
 */
#ifndef NPU_BENCH_TIMELINE_PICTURE_H
#define NPU_BENCH_TIMELINE_PICTURE_H

#include "trace.h"

/**
 * bench_timeline_draw:
 * Draw what lies in @from ... @to seconds of @trace, with @figures below, to
 * @path.
 *
 * Returns whether it succeeded; if not, the reason was said.
 */
bool bench_timeline_draw (const BenchTrace * trace,
    const BenchTraceFigures * figures, double from, double to,
    const char *path);

#endif
