/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder: log-mel frames in, encoder states out. The element's parts:
 * gstnpuencoder.c is the object with its properties and states, the sink side
 * in gstnpuencodersink.c takes frames and events, the source side in
 * gstnpuencodersrc.c is the task that encodes and pushes.
 */
#ifndef GST_NPU_ENCODER_H
#define GST_NPU_ENCODER_H

#include <gst/gst.h>

#include "encoder/encoder.h"
#include "pipeline/ring.h"
#include "pipeline/windows.h"

G_BEGIN_DECLS

#define GST_TYPE_NPU_ENCODER (gst_npu_encoder_get_type ())
G_DECLARE_FINAL_TYPE (GstNpuEncoder, gst_npu_encoder, GST, NPU_ENCODER,
    GstElement)

GST_ELEMENT_REGISTER_DECLARE (npuencoder);

/* Time that a log-mel frame stands for. */
#define GST_NPU_FRAME_DURATION (10 * GST_MSECOND)

typedef struct
{
  gchar *model;
  gchar *device;
  guint threads;
  NpuPrecision precision;
  NpuContext context;
  GstClockTime window;
  GstClockTime hop;
  guint depth;
} GstNpuEncoderSettings;

/* A window in flight. */
typedef struct
{
  NpuWindow window;
  guint32 positions;
  gfloat peak;
  GstClockTime pts;
  gboolean discont;
  guint generation;             /* not the element's: result is dropped */
  gint64 submitted;             /* monotonic time, microseconds */
} GstNpuEncoderSlot;

/* Something that keeps its place among the frames. */
typedef struct
{
  guint64 frame;                /* number of the first frame behind it */
  gboolean boundary;            /* no window covers frames of both sides */
  GstEvent *event;              /* forwarded; may be NULL */
} GstNpuEncoderItem;

/* From frame number @frame on, time counts from @pts. */
typedef struct
{
  guint64 frame;
  GstClockTime pts;
} GstNpuEncoderBase;

typedef struct
{
  guint64 windows;
  guint64 positions;
  guint64 orphans;
  guint64 encode_time;
  guint64 last_encode_time;
  guint64 load_time;
} GstNpuEncoderCounters;

struct _GstNpuEncoder
{
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  /* Guarded by the object lock, used from READY on. */
  GstNpuEncoderSettings settings;
  gboolean outdated;            /* what is open is not what they name */

  /* READY and higher; written in state changes only, under the lock below. */
  NpuDevice *device;
  NpuModel *model;
  guint32 window_frames;
  guint32 hop_frames;
  guint32 ring_capacity;
  GstClockTime latency;         /* last answer, NONE before the first */

  /* PAUSED and higher; created and freed while no pad is active. */
  guint depth;
  NpuContext context;
  NpuEncoder *encoder;
  GstBufferPool *pool;

  GMutex lock;                  /* guards all that follows */
  GCond work;                   /* the task has something to do */
  GCond space;                  /* frames fit into the ring again */

  NpuFrameRing *ring;
  NpuWindows windows;
  GQueue items;                 /* of GstNpuEncoderItem */
  GArray *bases;                /* of GstNpuEncoderBase, rising */
  GstFlowReturn flow;           /* why the task stopped, or OK */
  gboolean upstream_ended;      /* EOS is among the items or was sent */

  GstSegment segment;           /* of the sink pad */
  gboolean have_caps;
  gboolean refused;             /* caps or a segment, and said so */
  gboolean need_base;           /* time counts from the next buffer on */

  GstNpuEncoderSlot slots[NPU_ENCODER_MAX_DEPTH];
  guint first_slot;             /* the oldest in flight */
  guint in_flight;
  guint generation;
  gint64 last_finished;         /* monotonic time, microseconds */
  gint64 load_started;

  gboolean loaded;
  gboolean ask_driven;
  gboolean awaiting;            /* an answer of the decoder */
  guint64 awaited;              /* id of its window */
  gboolean discont;             /* the next window is */
  gboolean sent_caps;

  GstNpuEncoderCounters counters;
};

/* Sink side. */
GstFlowReturn gst_npu_encoder_chain (GstPad * pad, GstObject * parent,
    GstBuffer * buffer);
gboolean gst_npu_encoder_sink_event (GstPad * pad, GstObject * parent,
    GstEvent * event);
gboolean gst_npu_encoder_sink_query (GstPad * pad, GstObject * parent,
    GstQuery * query);
gboolean gst_npu_encoder_sink_activate_mode (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active);

/* Source side. */
gboolean gst_npu_encoder_src_event (GstPad * pad, GstObject * parent,
    GstEvent * event);
gboolean gst_npu_encoder_src_query (GstPad * pad, GstObject * parent,
    GstQuery * query);
gboolean gst_npu_encoder_src_activate_mode (GstPad * pad, GstObject * parent,
    GstPadMode mode, gboolean active);
void gst_npu_encoder_start_task (GstNpuEncoder * self);

/* Both: called with the lock held. */
void gst_npu_encoder_item_free (gpointer item);
void gst_npu_encoder_trim (GstNpuEncoder * self);
GstClockTime gst_npu_encoder_frame_time (GstNpuEncoder * self, guint64 frame);

/* What window and hop are in frames, for a model or, without one, for the
 * longest that there are; and the latency that follows. */
GstClockTime gst_npu_encoder_latency (GstNpuEncoder * self,
    GstClockTime * buffered);

G_END_DECLS

#endif
