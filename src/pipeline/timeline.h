/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The process's timeline: every stage of every window, written to a file in
 * Chrome's trace event format (JSON), which Perfetto opens too. One timeline
 * at a time; whoever works on a window records, and nothing happens while none
 * is started. Recording neither allocates nor blocks: spans go into memory that
 * was allocated at start, and a thread writes them to the file.
 */
#ifndef NPU_PIPELINE_TIMELINE_H
#define NPU_PIPELINE_TIMELINE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The lanes from top to bottom. */
typedef enum
{
  NPU_LANE_CAPTURE,             /* audio that was heard; a span a chunk */
  NPU_LANE_MEL,                 /* log-mel frames are computed */
  NPU_LANE_TO_DEVICE,           /* the host uploads */
  NPU_LANE_RUN,                 /* the device encodes */
  NPU_LANE_FROM_DEVICE,         /* the host downloads */
  NPU_LANE_DECODE,              /* states become text */
  NPU_LANES
} NpuLane;

/**
 * npu_timeline_start:
 * Begin to write the timeline to @path, which is overwritten. When it is
 * started already with the same path it goes on, and needs one more
 * npu_timeline_stop().
 *
 * Returns NPU_OK; NPU_EIO when the file cannot be written, NPU_EBUSY when a
 * timeline to another file is started, NPU_ENOMEM. Any thread, as all of this
 * header.
 */
NPU_API NpuStatus npu_timeline_start (const char *path, NpuError * error);

/**
 * npu_timeline_stop:
 * Take back one npu_timeline_start(); the last one writes what is recorded and
 * closes the file.
 */
NPU_API void npu_timeline_stop (void);

/**
 * npu_timeline_started:
 * Returns whether spans are recorded. Never blocks.
 */
NPU_API bool npu_timeline_started (void);

/**
 * npu_timeline_describe:
 * Note a fact about the run (device, model, clock...) in the file's header
 * data; copied. The last value for a key stands. Does nothing while no timeline
 * is started. Not for the hot path.
 */
NPU_API void npu_timeline_describe (const char *key, const char *value);

/**
 * npu_timeline_record:
 * Record that @lane worked on @id from @start_ns to @end_ns. Does nothing while
 * no timeline is started. Spans beyond what fits into memory are dropped, and
 * their number is noted in the file.
 *
 * @id        of the window, or of the chunk's first frame for CAPTURE and MEL
 * @start_ns  on the monotonic clock, or all on one virtual device's clock
 *
 * Never allocates, never blocks.
 */
NPU_API void npu_timeline_record (NpuLane lane, uint64_t id,
    uint64_t start_ns, uint64_t end_ns);

/**
 * npu_lane_name:
 * Returns "capture", "mel", "to-device", "run", "from-device" or "decode".
 */
NPU_API const char *npu_lane_name (NpuLane lane);

#endif
