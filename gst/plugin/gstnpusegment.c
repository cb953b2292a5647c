/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Comparison of segments.
 */
#include "gstnpusegment.h"

gboolean
gst_npu_segment_is_update (const GstSegment * earlier,
    const GstSegment * later)
{
  GstSegment same = *later;

  same.stop = earlier->stop;
  same.duration = earlier->duration;
  same.position = earlier->position;
  return gst_segment_is_equal (&same, earlier);
}
