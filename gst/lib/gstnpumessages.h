/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an encoder and a decoder of states tell each other: the model (sticky
 * event downstream), that a window is done with (event upstream), and whether
 * somebody decodes (query downstream). And how long an encoder's windows are
 * (query downstream).
 */
#ifndef GST_NPU_MESSAGES_H
#define GST_NPU_MESSAGES_H

#include "gstnpuprelude.h"

G_BEGIN_DECLS

/**
 * NpuModel:
 * A model in use; defined by libnpu-core, opaque here.
 */
typedef struct NpuModel NpuModel;

/**
 * GST_TYPE_NPU_MODEL:
 * Boxed type of #NpuModel; copies are references.
 */
#define GST_TYPE_NPU_MODEL (gst_npu_model_get_type ())

GST_NPU_API
GType gst_npu_model_get_type (void);

/**
 * gst_npu_event_new_model:
 * @model: the model that the following states come from
 *
 * Sent downstream after CAPS and before the first states. Sticky, so that
 * queues, tees and late links deliver it.
 *
 * Returns: (transfer full): an event "GstNpuModel" that holds a reference
 */
GST_NPU_API
GstEvent *gst_npu_event_new_model (NpuModel * model);

/**
 * gst_npu_event_parse_model:
 * @event: any event
 *
 * Returns: (transfer none) (nullable): the model in @event, which lives as
 * long as @event; %NULL when @event is of another kind
 */
GST_NPU_API
NpuModel *gst_npu_event_parse_model (GstEvent * event);

/**
 * gst_npu_event_new_window_done:
 * @id: the window, as its #GstNpuWindow says
 * @next_sample: where the next window starts, in the count of
 *     #GstNpuWindow.first_sample
 *
 * Sent upstream by a decoder that has finished with a window. An encoder that
 * is driven forms no other window before. What lies before @next_sample is
 * never looked at again.
 *
 * Returns: (transfer full): an event "GstNpuWindowDone"
 */
GST_NPU_API
GstEvent *gst_npu_event_new_window_done (guint64 id, guint64 next_sample);

/**
 * gst_npu_event_parse_window_done:
 * @event: any event
 * @id: (out): the window
 * @next_sample: (out): where the next window starts
 *
 * Returns: %FALSE when @event is of another kind
 */
GST_NPU_API
gboolean gst_npu_event_parse_window_done (GstEvent * event, guint64 * id,
    guint64 * next_sample);

/**
 * gst_npu_event_new_window_sent:
 * @id: the window, as its #GstNpuWindow says
 *
 * Sent downstream by an encoder that is driven, behind each window. Serialized:
 * a decoder that gets it without the window knows that somebody dropped the
 * window, and answers for it.
 *
 * Returns: (transfer full): an event "GstNpuWindowSent"
 */
GST_NPU_API
GstEvent *gst_npu_event_new_window_sent (guint64 id);

/**
 * gst_npu_event_parse_window_sent:
 * @event: any event
 * @id: (out): the window
 *
 * Returns: %FALSE when @event is of another kind
 */
GST_NPU_API
gboolean gst_npu_event_parse_window_sent (GstEvent * event, guint64 * id);

/**
 * gst_npu_query_new_driven:
 *
 * Asks downstream whether an element is going to answer every window with
 * gst_npu_event_new_window_done(). Not serialized: it overtakes buffers.
 *
 * Returns: (transfer full): a query "GstNpuDriven"; nobody has answered it yet
 */
GST_NPU_API
GstQuery *gst_npu_query_new_driven (void);

/**
 * gst_npu_query_is_driven:
 * @query: any query
 *
 * Returns: whether @query is one of gst_npu_query_new_driven()
 */
GST_NPU_API
gboolean gst_npu_query_is_driven (GstQuery * query);

/**
 * gst_npu_query_set_driven:
 * @query: of gst_npu_query_new_driven()
 * @driven: whether the windows will be answered
 */
GST_NPU_API
void gst_npu_query_set_driven (GstQuery * query, gboolean driven);

/**
 * gst_npu_query_parse_driven:
 * @query: of gst_npu_query_new_driven()
 *
 * Returns: what was answered, %FALSE when nobody did
 */
GST_NPU_API
gboolean gst_npu_query_parse_driven (GstQuery * query);

/**
 * gst_npu_query_new_window:
 *
 * Asks downstream how long the windows are that frames are gathered in. Not
 * serialized: it overtakes buffers.
 *
 * Returns: (transfer full): a query "GstNpuWindow"; nobody has answered it yet
 */
GST_NPU_API
GstQuery *gst_npu_query_new_window (void);

/**
 * gst_npu_query_is_window:
 * @query: any query
 *
 * Returns: whether @query is one of gst_npu_query_new_window()
 */
GST_NPU_API
gboolean gst_npu_query_is_window (GstQuery * query);

/**
 * gst_npu_query_set_window:
 * @query: of gst_npu_query_new_window()
 * @window: the longest window, nanoseconds
 */
GST_NPU_API
void gst_npu_query_set_window (GstQuery * query, GstClockTime window);

/**
 * gst_npu_query_parse_window:
 * @query: of gst_npu_query_new_window()
 *
 * Returns: what was answered, %GST_CLOCK_TIME_NONE when nobody did
 */
GST_NPU_API
GstClockTime gst_npu_query_parse_window (GstQuery * query);

G_END_DECLS

#endif
