/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makers and readers of the events and queries between the elements.
 */
#include "gstnpumessages.h"

#include "model/model.h"

#define MODEL_EVENT "GstNpuModel"
#define WINDOW_DONE_EVENT "GstNpuWindowDone"
#define WINDOW_SENT_EVENT "GstNpuWindowSent"
#define DRIVEN_QUERY "GstNpuDriven"
#define WINDOW_QUERY "GstNpuWindow"

static gpointer
model_copy (gpointer model)
{
  return npu_model_ref (model);
}

static void
model_free (gpointer model)
{
  npu_model_unref (model);
}

GType
gst_npu_model_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_boxed_type_register_static ("GstNpuModel",
            model_copy, model_free));
  return type;
}

GstEvent *
gst_npu_event_new_model (NpuModel * model)
{
  g_return_val_if_fail (model != NULL, NULL);

  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      gst_structure_new (MODEL_EVENT, "model", GST_TYPE_NPU_MODEL, model,
          NULL));
}

NpuModel *
gst_npu_event_parse_model (GstEvent * event)
{
  const GValue *value;

  g_return_val_if_fail (GST_IS_EVENT (event), NULL);

  if (GST_EVENT_TYPE (event) != GST_EVENT_CUSTOM_DOWNSTREAM_STICKY
      || !gst_event_has_name (event, MODEL_EVENT))
    return NULL;
  value = gst_structure_get_value (gst_event_get_structure (event), "model");
  if (!value || !G_VALUE_HOLDS (value, GST_TYPE_NPU_MODEL))
    return NULL;
  return g_value_get_boxed (value);
}

GstEvent *
gst_npu_event_new_window_done (guint64 id, guint64 next_sample)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
      gst_structure_new (WINDOW_DONE_EVENT, "window-id", G_TYPE_UINT64, id,
          "next-sample", G_TYPE_UINT64, next_sample, NULL));
}

gboolean
gst_npu_event_parse_window_done (GstEvent * event, guint64 * id,
    guint64 * next_sample)
{
  const GstStructure *structure;

  g_return_val_if_fail (GST_IS_EVENT (event), FALSE);
  g_return_val_if_fail (id != NULL && next_sample != NULL, FALSE);

  if (GST_EVENT_TYPE (event) != GST_EVENT_CUSTOM_UPSTREAM
      || !gst_event_has_name (event, WINDOW_DONE_EVENT))
    return FALSE;
  structure = gst_event_get_structure (event);
  return gst_structure_get_uint64 (structure, "window-id", id)
      && gst_structure_get_uint64 (structure, "next-sample", next_sample);
}

GstEvent *
gst_npu_event_new_window_sent (guint64 id)
{
  return gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
      gst_structure_new (WINDOW_SENT_EVENT, "window-id", G_TYPE_UINT64, id,
          NULL));
}

gboolean
gst_npu_event_parse_window_sent (GstEvent * event, guint64 * id)
{
  g_return_val_if_fail (GST_IS_EVENT (event), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  return GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM
      && gst_event_has_name (event, WINDOW_SENT_EVENT)
      && gst_structure_get_uint64 (gst_event_get_structure (event),
      "window-id", id);
}

static gboolean
query_has_name (GstQuery * query, const gchar * name)
{
  const GstStructure *structure;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CUSTOM)
    return FALSE;
  structure = gst_query_get_structure (query);
  return structure && gst_structure_has_name (structure, name);
}

GstQuery *
gst_npu_query_new_driven (void)
{
  return gst_query_new_custom (GST_QUERY_CUSTOM,
      gst_structure_new_empty (DRIVEN_QUERY));
}

gboolean
gst_npu_query_is_driven (GstQuery * query)
{
  g_return_val_if_fail (GST_IS_QUERY (query), FALSE);

  return query_has_name (query, DRIVEN_QUERY);
}

void
gst_npu_query_set_driven (GstQuery * query, gboolean driven)
{
  g_return_if_fail (gst_npu_query_is_driven (query));

  gst_structure_set (gst_query_writable_structure (query), "driven",
      G_TYPE_BOOLEAN, driven, NULL);
}

gboolean
gst_npu_query_parse_driven (GstQuery * query)
{
  gboolean driven = FALSE;

  g_return_val_if_fail (gst_npu_query_is_driven (query), FALSE);

  gst_structure_get_boolean (gst_query_get_structure (query), "driven",
      &driven);
  return driven;
}

GstQuery *
gst_npu_query_new_window (void)
{
  return gst_query_new_custom (GST_QUERY_CUSTOM,
      gst_structure_new_empty (WINDOW_QUERY));
}

gboolean
gst_npu_query_is_window (GstQuery * query)
{
  g_return_val_if_fail (GST_IS_QUERY (query), FALSE);

  return query_has_name (query, WINDOW_QUERY);
}

void
gst_npu_query_set_window (GstQuery * query, GstClockTime window)
{
  g_return_if_fail (gst_npu_query_is_window (query));

  gst_structure_set (gst_query_writable_structure (query), "window",
      G_TYPE_UINT64, window, NULL);
}

GstClockTime
gst_npu_query_parse_window (GstQuery * query)
{
  GstClockTime window = GST_CLOCK_TIME_NONE;

  g_return_val_if_fail (gst_npu_query_is_window (query), GST_CLOCK_TIME_NONE);

  gst_structure_get_uint64 (gst_query_get_structure (query), "window",
      &window);
  return window;
}
