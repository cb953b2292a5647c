/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All of libgstnpu-1.0: what npuencoder, npudecoder and elements of other
 * plugins say to each other beside caps and buffers.
 */
#ifndef GST_NPU_H
#define GST_NPU_H

#include "gstnpubufferpool.h"
#include "gstnpudevice.h"
#include "gstnpumemory.h"
#include "gstnpumessages.h"
#include "gstnpuringpool.h"
#include "gstnpuwindowmeta.h"

#endif
