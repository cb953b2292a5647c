/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the elements ask of segments.
 */
#ifndef GST_NPU_SEGMENT_H
#define GST_NPU_SEGMENT_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Whether @later only says more about the segment @earlier, which is playing:
 * it comes again, or its end, its duration or its position have changed. Times
 * go on then. */
gboolean gst_npu_segment_is_update (const GstSegment * earlier,
    const GstSegment * later);

G_END_DECLS

#endif
