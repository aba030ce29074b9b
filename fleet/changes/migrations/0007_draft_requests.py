"""What people ask to be drafted by form, the recipes they choose from, and an index for how long steps took."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('changes', '0006_windows'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DraftRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('asked_at', models.DateTimeField()),
                ('edits', models.PositiveIntegerField(default=0)),
                ('title', models.CharField(max_length=200)),
                ('ticket', models.CharField(blank=True, max_length=100)),
                ('description', models.TextField(blank=True)),
                ('recipe', models.CharField(max_length=63)),
                ('inputs', models.JSONField(default=dict)),
                ('names', models.JSONField(default=list)),
                ('strategy', models.JSONField(default=dict)),
                ('taken_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('left', models.JSONField(default=list)),
            ],
            options={
                'ordering': ('-asked_at', '-pk'),
            },
        ),
        migrations.CreateModel(
            name='RecipeCard',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=63, unique=True)),
                ('summary', models.TextField(blank=True)),
                ('inputs', models.JSONField(default=list)),
                ('where', models.JSONField(default=dict)),
                ('strategy', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ('name',),
            },
        ),
        migrations.AddIndex(
            model_name='steprun',
            index=models.Index(condition=models.Q(('back', False), ('state', 'done')), fields=['verb', '-ended_at'], name='step_took'),
        ),
        migrations.AddField(
            model_name='draftrequest',
            name='asked_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='draft_requests', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='draftrequest',
            name='change',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='draft_requests', to='changes.change'),
        ),
        migrations.AddIndex(
            model_name='draftrequest',
            index=models.Index(condition=models.Q(('ended_at__isnull', True)), fields=['asked_at'], name='draft_open'),
        ),
    ]
