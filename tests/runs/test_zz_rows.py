import time, pytest
from datetime import timedelta
from tests.world import *
from tests.runs.reports import *
from runs.models import Run
@pytest.mark.django_db
def test_pages():
    w = make_world()
    agents=[w.agent]+[make_agent(f"a{i}",owner=w.admin,team=w.other,by=w.admin) for i in range(19)]
    for c in range(20):
        Run.objects.bulk_create([Run(agent=agents[(c*5000+i)%20], team="talent" if (c*5000+i)%20==0 else "billing", environment="production", event_id=f"e{c}-{i}", started_at=NOW-timedelta(seconds=c*5000+i), received_at=NOW,last_event_at=NOW,status="failed" if i%50==0 else "succeeded") for i in range(5000)])
    def t(name, qs):
        b=min((lambda s:(list(qs.all()), time.perf_counter()-s)[1])(time.perf_counter()) for _ in range(3)); print(f"{name}: {b*1000:.1f} ms")
    for n,u in [("admin",w.admin),("operator 5%",w.operator),("owner 5%",w.owner),("stranger 95%",w.stranger)]:
        v=Run.objects.visible_to(u).with_agent()
        t(n, v[:50]); t(n+" failed", v.failed()[:50]); t(n+" one agent", v.of_agent(w.agent)[:50])
    s=time.perf_counter(); o=report(w.agent,*[run(f"q{i}",external_id=f"x{i}",retry_of=f"x{i-1}") for i in range(250)],*[step(f"s{i}",f"x{i%250}") for i in range(250)]); print("ingest 500 at 100k", round((time.perf_counter()-s)*1000), o.counts)
