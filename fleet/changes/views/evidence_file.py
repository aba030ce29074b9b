"""The evidence of a change as a file to keep."""

import tempfile

from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase

from fleet.changes import evidence_bundle
from fleet.changes.models import Change
from fleet.changes.views.access import reads

# Up to here in memory; a bundle of 300 devices has 1 MB.
IN_MEMORY = 4 * 1024 * 1024


@reads
def evidence_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One zip: JSON, a page that prints, the hash chain."""
    change = Change.objects.select_related("author").filter(pk=pk).first()
    if change is None:
        raise Http404(f"There is no change {pk}.")
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  # the answer closes it
    evidence_bundle.write(change, file)
    file.seek(0)
    return FileResponse(
        file, as_attachment=True, filename=evidence_bundle.file_name(change), content_type="application/zip"
    )
