/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Entry point of the plugin "npu": one line for each element.
 *
 * The licence below is that of the plugin as built: it links FFTW, which is
 * GPL-2.0-or-later.
 */
#include <gst/gst.h>

#include "gstnpudecoder.h"
#include "gstnpuencoder.h"
#include "gstnpumel.h"

static gboolean
plugin_init (GstPlugin * plugin)
{
  gboolean registered = TRUE;

  registered &= GST_ELEMENT_REGISTER (npumel, plugin);
  registered &= GST_ELEMENT_REGISTER (npuencoder, plugin);
  registered &= GST_ELEMENT_REGISTER (npudecoder, plugin);
  return registered;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, npu,
    "Streaming speech transcription on NPUs", plugin_init, PACKAGE_VERSION,
    "GPL", PACKAGE_NAME, PACKAGE_ORIGIN)
