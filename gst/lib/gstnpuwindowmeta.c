/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Metadata of encoder states, and the notification when the last buffer that
 * carries a window is gone. Weak references of a GstBuffer would not do: a
 * pool takes its buffers back without them being notified, and a copy made
 * downstream may outlive the original.
 */

#include "gstnpuwindowmeta.h"

GST_DEBUG_CATEGORY_STATIC (gst_npu_window_meta_debug);
#define GST_CAT_DEFAULT gst_npu_window_meta_debug

/* Shared by all copies of one window's metadata. */
typedef struct
{
  GDestroyNotify notify;
  gpointer data;
} WindowRelease;

static void
window_release_clear (gpointer memory)
{
  WindowRelease *release = memory;

  release->notify (release->data);
}

static gboolean
window_meta_init (GstMeta * meta, gpointer params, GstBuffer * buffer)
{
  GstNpuWindowMeta *self = (GstNpuWindowMeta *) meta;

  memset (&self->window, 0, sizeof (self->window));
  memset (self->_gst_reserved, 0, sizeof (self->_gst_reserved));
  self->release = NULL;
  return TRUE;
}

static void
window_meta_free (GstMeta * meta, GstBuffer * buffer)
{
  GstNpuWindowMeta *self = (GstNpuWindowMeta *) meta;

  if (self->release)
    g_atomic_rc_box_release_full (self->release, window_release_clear);
}

static gboolean
window_meta_transform (GstBuffer * copy, GstMeta * meta, GstBuffer * buffer,
    GQuark type, gpointer data)
{
  GstNpuWindowMeta *self = (GstNpuWindowMeta *) meta;
  GstMetaTransformCopy *transform = data;
  GstNpuWindowMeta *copied;

  if (!GST_META_TRANSFORM_IS_COPY (type) || transform->region)
    return FALSE;
  copied = gst_buffer_add_npu_window_meta (copy, &self->window);
  if (self->release)
    copied->release = g_atomic_rc_box_acquire (self->release);
  GST_TRACE ("copied window %" G_GUINT64_FORMAT " from %p to %p",
      self->window.id, buffer, copy);
  return TRUE;
}

GType
gst_npu_window_meta_api_get_type (void)
{
  static GType type = 0;

  if (g_once_init_enter (&type)) {
    static const gchar *tags[] = { NULL };
    GType registered = gst_meta_api_type_register ("GstNpuWindowMetaAPI", tags);

    GST_DEBUG_CATEGORY_INIT (gst_npu_window_meta_debug, "npuwindowmeta", 0,
        "window metadata of encoder states");
    g_once_init_leave (&type, registered);
  }
  return type;
}

const GstMetaInfo *
gst_npu_window_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) & info)) {
    const GstMetaInfo *registered =
        gst_meta_register (GST_NPU_WINDOW_META_API_TYPE, "GstNpuWindowMeta",
        sizeof (GstNpuWindowMeta), window_meta_init, window_meta_free,
        window_meta_transform);

    g_once_init_leave ((GstMetaInfo **) & info, (GstMetaInfo *) registered);
  }
  return info;
}

GstNpuWindowMeta *
gst_buffer_add_npu_window_meta (GstBuffer * buffer,
    const GstNpuWindow * window)
{
  GstNpuWindowMeta *meta;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (window != NULL, NULL);

  meta = (GstNpuWindowMeta *) gst_buffer_add_meta (buffer,
      GST_NPU_WINDOW_META_INFO, NULL);
  if (meta)
    meta->window = *window;
  return meta;
}

GstNpuWindowMeta *
gst_buffer_get_npu_window_meta (GstBuffer * buffer)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  return (GstNpuWindowMeta *) gst_buffer_get_meta (buffer,
      GST_NPU_WINDOW_META_API_TYPE);
}

void
gst_npu_window_meta_on_release (GstNpuWindowMeta * meta,
    GDestroyNotify notify, gpointer data)
{
  WindowRelease *release;

  g_return_if_fail (meta != NULL && meta->release == NULL);
  g_return_if_fail (notify != NULL);

  release = g_atomic_rc_box_new (WindowRelease);
  release->notify = notify;
  release->data = data;
  meta->release = release;
}
