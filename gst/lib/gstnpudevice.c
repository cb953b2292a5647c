/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The shared device, and the search for one in contexts.
 */
#include "gstnpudevice.h"

#include <string.h>

#include "device/device.h"

GST_DEBUG_CATEGORY_STATIC (gst_npu_device_debug);
#define GST_CAT_DEFAULT gst_npu_device_debug

#define ANY_DEVICE "auto"

struct _GstNpuDevice
{
  GstObject parent;

  NpuDevice *handle;
  gchar *settings;              /* as asked for; never NULL */
};

G_DEFINE_TYPE_WITH_CODE (GstNpuDevice, gst_npu_device, GST_TYPE_OBJECT,
    GST_DEBUG_CATEGORY_INIT (gst_npu_device_debug, "npudevice", 0,
        "devices that elements share"));

static void
gst_npu_device_finalize (GObject * object)
{
  GstNpuDevice *self = GST_NPU_DEVICE (object);

  npu_device_unref (self->handle);
  g_free (self->settings);
  G_OBJECT_CLASS (gst_npu_device_parent_class)->finalize (object);
}

static void
gst_npu_device_class_init (GstNpuDeviceClass * class)
{
  G_OBJECT_CLASS (class)->finalize = gst_npu_device_finalize;
}

static void
gst_npu_device_init (GstNpuDevice * self)
{
}

static gint
resource_error (NpuStatus status)
{
  switch (status) {
    case NPU_ENODEV:
      return GST_RESOURCE_ERROR_NOT_FOUND;
    case NPU_ENOMEM:
      return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    case NPU_EBUSY:
      return GST_RESOURCE_ERROR_BUSY;
    case NPU_EINVAL:
    case NPU_ENOTSUP:
      return GST_RESOURCE_ERROR_SETTINGS;
    default:
      return GST_RESOURCE_ERROR_FAILED;
  }
}

GstNpuDevice *
gst_npu_device_new (const gchar * name, guint threads, const gchar * settings,
    GError ** error)
{
  const NpuDeviceOptions options = {
    .threads = threads,
    .settings = settings && *settings ? settings : NULL,
  };
  NpuError reason = { 0 };
  NpuDevice *handle;
  GstNpuDevice *self;

  if (npu_device_open (name, &options, &handle, &reason) != NPU_OK) {
    g_set_error_literal (error, GST_RESOURCE_ERROR,
        resource_error (reason.status), reason.message);
    return NULL;
  }
  self = g_object_new (GST_TYPE_NPU_DEVICE, NULL);
  gst_object_ref_sink (self);
  self->handle = handle;
  self->settings = g_strdup (settings ? settings : "");
  GST_INFO_OBJECT (self, "%s", npu_device_info (handle)->description);
  return self;
}

NpuDevice *
gst_npu_device_get_handle (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  return device->handle;
}

const gchar *
gst_npu_device_get_name (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  return npu_device_info (device->handle)->name;
}

const gchar *
gst_npu_device_get_description (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  return npu_device_info (device->handle)->description;
}

gboolean
gst_npu_device_is_emulated (GstNpuDevice * device)
{
  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), FALSE);
  return npu_device_info (device->handle)->emulated;
}

/* ------------------------------------------------------------ contexts */

GstContext *
gst_context_new_npu_device (GstNpuDevice * device)
{
  GstContext *context = gst_context_new (GST_NPU_DEVICE_CONTEXT_TYPE, TRUE);

  gst_structure_set (gst_context_writable_structure (context),
      "device", GST_TYPE_NPU_DEVICE, device, NULL);
  return context;
}

gboolean
gst_context_get_npu_device (GstContext * context, GstNpuDevice ** device)
{
  return gst_context_has_context_type (context, GST_NPU_DEVICE_CONTEXT_TYPE)
      && gst_structure_get (gst_context_get_structure (context),
      "device", GST_TYPE_NPU_DEVICE, device, NULL) && *device;
}

/* What an element asks for. */
typedef struct
{
  const gchar *name;
  guint threads;
  const gchar *settings;
} Wish;

static gboolean
fits (GstNpuDevice * device, const Wish * wish)
{
  const NpuDeviceInfo *info = npu_device_info (device->handle);

  return (strcmp (wish->name, ANY_DEVICE) == 0
      || strcmp (wish->name, info->name) == 0)
      && (wish->threads == 0 || wish->threads == info->threads)
      && (!wish->settings || !*wish->settings
      || strcmp (wish->settings, device->settings) == 0);
}

/* Takes the device of @context, which may be NULL, where it fits. */
static gboolean
take_from_context (GstContext * context, const Wish * wish,
    GstNpuDevice ** device)
{
  GstNpuDevice *found = NULL;

  if (!context || !gst_context_get_npu_device (context, &found))
    return FALSE;
  if (!fits (found, wish)) {
    gst_object_unref (found);
    return FALSE;
  }
  gst_object_replace ((GstObject **) device, GST_OBJECT_CAST (found));
  gst_object_unref (found);
  return TRUE;
}

static gboolean
take_own_context (GstElement * element, const Wish * wish,
    GstNpuDevice ** device)
{
  GstContext *context =
      gst_element_get_context (element, GST_NPU_DEVICE_CONTEXT_TYPE);
  gboolean taken = take_from_context (context, wish, device);

  if (context)
    gst_context_unref (context);
  return taken;
}

/* Stops at the first neighbour that has one. */
static gboolean
ask_neighbour (GstElement * element, GstPad * pad, gpointer query)
{
  return !gst_pad_peer_query (pad, query);
}

static gboolean
take_from_neighbours (GstElement * element, const Wish * wish,
    GstNpuDevice ** device)
{
  GstQuery *query = gst_query_new_context (GST_NPU_DEVICE_CONTEXT_TYPE);
  GstContext *context = NULL;
  gboolean taken;

  gst_element_foreach_src_pad (element, ask_neighbour, query);
  gst_query_parse_context (query, &context);
  if (!context) {
    gst_element_foreach_sink_pad (element, ask_neighbour, query);
    gst_query_parse_context (query, &context);
  }
  taken = take_from_context (context, wish, device);
  gst_query_unref (query);
  return taken;
}

static gboolean
open_own (GstElement * element, const Wish * wish, GstNpuDevice ** device)
{
  GError *error = NULL;
  GstContext *context;

  *device = gst_npu_device_new (wish->name, wish->threads, wish->settings,
      &error);
  if (!*device) {
    gst_element_message_full (element, GST_MESSAGE_ERROR, error->domain,
        error->code, g_strdup (error->message), NULL, __FILE__, GST_FUNCTION,
        __LINE__);
    g_error_free (error);
    return FALSE;
  }
  context = gst_context_new_npu_device (*device);
  gst_element_set_context (element, context);
  gst_element_post_message (element,
      gst_message_new_have_context (GST_OBJECT (element), context));
  return TRUE;
}

gboolean
gst_npu_ensure_element_device (GstElement * element, const gchar * name,
    guint threads, const gchar * settings, GstNpuDevice ** device)
{
  const Wish wish = { name ? name : ANY_DEVICE, threads, settings };

  g_return_val_if_fail (GST_IS_ELEMENT (element) && device, FALSE);
  if (*device && fits (*device, &wish))
    return TRUE;
  gst_clear_object (device);
  if (take_own_context (element, &wish, device)
      || take_from_neighbours (element, &wish, device))
    return TRUE;
  /* the application may answer with gst_element_set_context() */
  gst_element_post_message (element,
      gst_message_new_need_context (GST_OBJECT (element),
          GST_NPU_DEVICE_CONTEXT_TYPE));
  return take_own_context (element, &wish, device)
      || open_own (element, &wish, device);
}

gboolean
gst_npu_handle_set_context (GstElement * element, GstContext * context,
    GstNpuDevice ** device)
{
  GstNpuDevice *found = NULL;

  if (!context || !gst_context_get_npu_device (context, &found))
    return FALSE;
  GST_OBJECT_LOCK (element);
  if (!*device)
    *device = gst_object_ref (found);
  GST_OBJECT_UNLOCK (element);
  gst_object_unref (found);
  return TRUE;
}

gboolean
gst_npu_handle_context_query (GstElement * element, GstQuery * query,
    GstNpuDevice * device)
{
  const gchar *type;
  GstContext *context;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT || !device)
    return FALSE;
  gst_query_parse_context_type (query, &type);
  if (strcmp (type, GST_NPU_DEVICE_CONTEXT_TYPE) != 0)
    return FALSE;
  context = gst_context_new_npu_device (device);
  gst_query_set_context (query, context);
  gst_context_unref (context);
  GST_DEBUG_OBJECT (element, "shares %" GST_PTR_FORMAT, device);
  return TRUE;
}
