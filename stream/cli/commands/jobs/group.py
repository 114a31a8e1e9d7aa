"""The commands of `rushes jobs`, in the order of their help."""

import typer

from stream.cli.commands.jobs import checking, looking, proving, steering, submitting, working
from stream.cli.context import DeploymentCommand

app = typer.Typer(help="Jobs: variants from a template, in stages and parts.", no_args_is_help=True)
app.command("check")(checking.check)
app.command("submit", cls=DeploymentCommand)(submitting.submit)
app.command("list")(looking.list_)
app.command("show")(looking.show)
app.command("cost")(looking.cost)
app.command("watch")(looking.watch)
app.command("manifest")(proving.manifest)
app.command("verify")(proving.verify)
app.command("key")(proving.key)
app.command("fetch")(looking.fetch)
app.command("open")(looking.open_)
app.command("reproduce")(looking.reproduce)
app.command("cancel", cls=DeploymentCommand)(steering.cancel)
app.command("pause", cls=DeploymentCommand)(steering.pause)
app.command("resume", cls=DeploymentCommand)(steering.resume)
app.command("retry", cls=DeploymentCommand)(steering.retry)
app.command("deliver", cls=DeploymentCommand)(steering.deliver)
app.command("release", cls=DeploymentCommand)(steering.release)
app.command("priority", cls=DeploymentCommand)(steering.priority)
app.command("budget", cls=DeploymentCommand)(steering.budget)
app.command("tenant-budget", cls=DeploymentCommand)(steering.tenant_budget)
app.command("clean")(steering.clean)
app.command("run", cls=DeploymentCommand)(working.run)
