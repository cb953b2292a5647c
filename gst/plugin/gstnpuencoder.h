/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npuencoder: log-mel frames in, encoder states out. The element's parts:
 * gstnpuencoder.c is the object with its states, gstnpuencoderproperties.c has
 * its properties, the sink side in gstnpuencodersink.c takes frames and events,
 * the source side in gstnpuencodersrc.c is the task that pushes, with
 * gstnpuencoderwindow.c for what it pushes; gstnpuencoderoverload.c and
 * gstnpuencoderstats.c are what their names say.
 */
#ifndef GST_NPU_ENCODER_H
#define GST_NPU_ENCODER_H

#include <gst/gst.h>

#include <gstnpu.h>

#include "encoder/encoder.h"
#include "pipeline/overload.h"
#include "pipeline/ring.h"
#include "pipeline/windows.h"

G_BEGIN_DECLS

#define GST_TYPE_NPU_ENCODER (gst_npu_encoder_get_type ())
G_DECLARE_FINAL_TYPE (GstNpuEncoder, gst_npu_encoder, GST, NPU_ENCODER,
    GstElement)

GST_ELEMENT_REGISTER_DECLARE (npuencoder);

/* Time that a log-mel frame stands for. */
#define GST_NPU_FRAME_DURATION (10 * GST_MSECOND)

#define GST_TYPE_NPU_PRECISION (gst_npu_precision_get_type ())
#define GST_TYPE_NPU_CONTEXT (gst_npu_context_get_type ())
#define GST_TYPE_NPU_OVERLOAD (gst_npu_overload_get_type ())
GType gst_npu_precision_get_type (void);
GType gst_npu_context_get_type (void);
GType gst_npu_overload_get_type (void);

/* Silence that a last window is padded with at least, where its context can be
 * shortened: models that leave out what a window's end cuts would leave out the
 * last words of a stream that stops while somebody speaks. */
#define GST_NPU_ENCODER_FRAMES_AFTER_END 50

typedef enum
{
  GST_NPU_OVERLOAD_AUTO,
  GST_NPU_OVERLOAD_BLOCK,       /* from here on in the order of
                                 * NpuOverloadLevel */
  GST_NPU_OVERLOAD_CONTEXT,
  GST_NPU_OVERLOAD_HOP,
  GST_NPU_OVERLOAD_DROP,
} GstNpuOverload;

typedef struct
{
  gchar *model;
  gchar *device;
  gchar *device_options;
  guint threads;
  NpuPrecision precision;
  NpuContext context;
  GstClockTime window;
  GstClockTime hop;
  guint depth;
  GstNpuOverload overload;
  guint max_states;
  GstClockTime stats_interval;
  gchar *timeline;
} GstNpuEncoderSettings;

/* A window in flight. */
typedef struct
{
  gboolean busy;                /* frames from its first one on are kept */
  NpuWindow window;
  gboolean full;
  guint32 positions;
  gfloat peak;
  GstClockTime pts;
  gboolean discont;
  guint generation;             /* not the element's: result is dropped */
  gint64 heard;                 /* its last frame; monotonic, microseconds */
  gint64 submitted;             /* likewise */
  GstBuffer *states;            /* where they are written */
} GstNpuEncoderSlot;

/* When all frames before @end had been heard, and had come; monotonic time,
 * microseconds. */
typedef struct
{
  guint64 end;
  gint64 heard;
  gint64 came;
} GstNpuEncoderArrival;

#define GST_NPU_ENCODER_NO_CLOCK G_MININT64

/* Enough for a minute of buffers of one frame. */
#define GST_NPU_ENCODER_ARRIVALS 8192

typedef struct
{
  guint64 count;
  GstNpuEncoderArrival entry[GST_NPU_ENCODER_ARRIVALS];
} GstNpuEncoderArrivals;

/* Something that keeps its place among the frames. */
typedef struct
{
  guint64 frame;                /* number of the first frame behind it */
  gboolean boundary;            /* no window covers frames of both sides */
  gint64 time;                  /* when it came; monotonic, microseconds */
  GstEvent *left_out;           /* GAP for what overload left out before it, or
                                 * NULL */
  GstEvent *event;              /* forwarded; may be NULL */
} GstNpuEncoderItem;

/* From frame number @frame on, time counts from @pts of @segment. */
typedef struct
{
  guint64 frame;
  GstClockTime pts;
  GstSegment segment;
} GstNpuEncoderBase;

typedef struct
{
  guint64 windows;
  guint64 positions;
  guint64 orphans;              /* encoded in vain */
  guint64 reused_states;        /* buffers */
  guint64 skipped;              /* left out by overload */
  guint64 lost_frames;          /* which no window covers therefore */
  guint64 encoded_frames;       /* each once, however many windows hold it */
  guint64 encoded_end;          /* of the newest window */
  guint64 encode_time;
  guint64 last_encode_time;
  guint64 load_time;
  guint64 lag;
  guint64 worst_lag;
  guint64 wall_time;            /* from the first frame to the last window */
} GstNpuEncoderCounters;

struct _GstNpuEncoder
{
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  /* Guarded by the object lock, used from READY on. */
  GstNpuEncoderSettings settings;
  gboolean outdated;            /* what is open is not what they name */

  /* The streaming thread's own. */
  gint64 running_zero;          /* running time 0 on the monotonic clock,
                                 * microseconds; or GST_NPU_ENCODER_NO_CLOCK */

  /* READY and higher; written in state changes only, under the lock below. */
  GstNpuDevice *npu_device;
  NpuModel *model;
  guint32 window_frames;
  guint32 hop_frames;
  guint32 ring_capacity;
  GstClockTime latency;         /* last answer, NONE before the first */

  /* PAUSED and higher; created and freed while no pad is active. */
  guint depth;
  NpuContext context;
  GstNpuOverload overload_limit;
  guint max_states;
  GstClockTime stats_interval;
  gboolean timeline;            /* was started */
  NpuEncoder *encoder;          /* used by the task alone */
  GstBufferPool *pool;          /* of states */

  /* The task's own. */
  gint open_slot;               /* that the next window goes to; or -1 */
  GstBuffer *next_states;       /* for it; may be NULL */
  gint64 stats_posted;

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
  guint in_flight;
  guint generation;
  gboolean poll;                /* a window in flight may have ended */
  guint64 uploaded;             /* frames before it are on the device */
  gint64 last_finished;         /* monotonic time, microseconds */
  gint64 load_started;

  NpuOverload overload;
  gint64 last_formed;           /* a window was; monotonic time, or 0 */
  GstClockTime last_end;        /* of that window */
  guint64 skipped_end;          /* boundary before which all was left out last */
  gboolean said_full;
  gboolean live;                /* upstream is */
  gboolean may_drop;
  gboolean starved;             /* downstream holds all states */
  gboolean said_starved;
  GQueue messages;              /* to be posted without the lock */

  GstNpuEncoderArrivals *arrivals;
  gint64 first_arrival;

  gboolean loaded;
  gboolean ask_driven;
  gint64 ask_at;                /* monotonic: a decoder that is silent till then
                                 * is looked for again */
  gboolean awaiting;            /* an answer of the decoder */
  guint64 awaited;              /* id of its window */
  gboolean discont;             /* the next window is */
  gboolean sent_caps;

  GstNpuEncoderCounters counters;
};

/* Sink side. */
GstFlowReturn gst_npu_encoder_chain (GstPad * pad, GstObject * parent,
    GstBuffer * buffer);
GstFlowReturn gst_npu_encoder_sink_event (GstPad * pad,
    GstObject * parent, GstEvent * event);
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

/* Sink and source: what a pad takes or gives, of the model where it is known. */
gboolean gst_npu_encoder_answer_caps (GstNpuEncoder * self, GstPad * pad,
    GstQuery * query);

/* Called with the lock held. */
void gst_npu_encoder_item_free (gpointer item);
void gst_npu_encoder_trim (GstNpuEncoder * self);
const GstNpuEncoderBase *gst_npu_encoder_base_of (GstNpuEncoder * self,
    guint64 frame);
GstClockTime gst_npu_encoder_frame_time (GstNpuEncoder * self, guint64 frame);
/* When the frame before @end ends, which may be before @end begins. */
GstClockTime gst_npu_encoder_end_time (GstNpuEncoder * self, guint64 end);

/* Buffers of states that there may be, at the least what slots need. */
guint gst_npu_encoder_max_states (const GstNpuEncoder * self);

/* Windows, in the task. Called with the lock held: whether the next window can
 * be submitted, or frames of it be uploaded; a window was formed and goes to
 * the open slot; the answer to window @id has come (also elsewhere). */
gboolean gst_npu_encoder_can_submit (GstNpuEncoder * self);
gboolean gst_npu_encoder_can_upload (GstNpuEncoder * self);
void gst_npu_encoder_form_window (GstNpuEncoder * self,
    const NpuWindow * window);
void gst_npu_encoder_take_answer (GstNpuEncoder * self, guint64 id,
    guint64 next);

/* Called without it: upload what has come; submit the window that was formed;
 * collect the window that was submitted first, if it has ended, and sets
 * @buffer if its states are wanted. */
NpuStatus gst_npu_encoder_upload (GstNpuEncoder * self, NpuError * error);
NpuStatus gst_npu_encoder_submit (GstNpuEncoder * self, NpuError * error);
NpuStatus gst_npu_encoder_collect (GstNpuEncoder * self, GstBuffer ** buffer,
    NpuError * error);

/* The device's notification; any thread. */
void gst_npu_encoder_run_ended (gpointer encoder);

/* Overload. Without the lock: ask whether upstream is live, and post what was
 * put together. */
void gst_npu_encoder_ask_live (GstNpuEncoder * self);
void gst_npu_encoder_post_messages (GstNpuEncoder * self);
/* With the lock: plan for the settings and liveness; look whether the window
 * that is due, of frames before @newest, needs a step; leave windows out, until
 * the next one has been due for at most a hop (returns whether that did
 * anything); say that downstream holds all states, or takes nothing. */
void gst_npu_encoder_plan_overload (GstNpuEncoder * self);
void gst_npu_encoder_check_overload (GstNpuEncoder * self, guint64 newest);
gboolean gst_npu_encoder_drop_windows (GstNpuEncoder * self);
void gst_npu_encoder_say_starved (GstNpuEncoder * self);
void gst_npu_encoder_say_full (GstNpuEncoder * self);
const gchar *gst_npu_encoder_overload_name (GstNpuEncoder * self);

/* Figures. Without the lock: look at the clock. With it: frames have come; when
 * those before @frame had, now where that is not known; the window in @slot has
 * ended well. */
void gst_npu_encoder_read_clock (GstNpuEncoder * self);
void gst_npu_encoder_note_arrival (GstNpuEncoder * self);
GstNpuEncoderArrival gst_npu_encoder_arrival (GstNpuEncoder * self,
    guint64 frame);
void gst_npu_encoder_count_window (GstNpuEncoder * self,
    const GstNpuEncoderSlot * slot);
/* Without it. */
GstStructure *gst_npu_encoder_make_stats (GstNpuEncoder * self);
void gst_npu_encoder_post_stats (GstNpuEncoder * self);

/* What window and hop are in frames, for a model or, without one, for the
 * longest that there are; and the latency that follows. */
GstClockTime gst_npu_encoder_latency (GstNpuEncoder * self,
    GstClockTime * buffered);

/* A neighbour asks for our device; without the lock. */
gboolean gst_npu_encoder_answer_context (GstNpuEncoder * self,
    GstQuery * query);

/* Properties. */
void gst_npu_encoder_init_settings (GstNpuEncoder * self);
void gst_npu_encoder_clear_settings (GstNpuEncoder * self);
void gst_npu_encoder_install_properties (GObjectClass * class);

G_END_DECLS

#endif
