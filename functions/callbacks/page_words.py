"""The words of the pages, in English and Japanese."""

# ruff: noqa: RUF001  # Japanese has brackets of its own, which look like those of English.

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.callbacks.answer_form import DELEGATE, HEARTBEAT, MAX_NAME_LENGTH, Problem
from functions.callbacks.page_state import State
from functions.shared.question import MAX_COMMENT_LENGTH, Answer, Kind, Language


@dataclass(frozen=True, slots=True)
class Message:
    """What happened, what that means, and what to do."""

    heading: str
    explanation: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything that a page says in one language."""

    # Over the title: what kind of question this is.
    kinds: Mapping[Kind, str]
    buttons: Mapping[str, str]
    said: Mapping[Answer, str]
    messages: Mapping[State, Message]
    # Where a page says something else of this kind of question.
    messages_of_kind: Mapping[tuple[State, Kind], Message]
    problems: Mapping[Problem, str]
    error: str
    # Rows.
    asked: str
    until: str
    rule: str
    rule_of: Callable[[int, int], str]
    counted: Callable[[int, int], str]
    answer: str
    by: str
    at: str
    comment_given: str
    passed_on_to: str
    # People who cannot be named, or not to everybody.
    everybody_in_channel: str
    one_of_those_asked: str
    operator: str
    mail_service: str
    from_channel: Callable[[str], str]
    # The form.
    your_answer: str
    only_shows: str
    comment: str
    comment_hint: str
    name: str
    name_hint: str
    delegate_summary: str
    delegate_label: str
    delegate_hint: str
    heartbeat_rule: Callable[[timedelta], str]
    heartbeat_summary: str
    heartbeat_hint: str
    heartbeat_noted: str
    details: str
    outcome: str
    moment: Callable[[datetime], str]
    remaining: Callable[[timedelta], str]

    def message(self, state: State, kind: Kind | None) -> Message:
        if kind is not None and (state, kind) in self.messages_of_kind:
            return self.messages_of_kind[state, kind]
        return self.messages[state]


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
# Up to here the smaller unit tells more.
_FEW = 2


def _english_moment(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    day = f"{_DAYS[utc.weekday()]}, {utc.day} {_MONTHS[utc.month - 1]} {utc.year}"
    return f"{day} at {utc:%H:%M} UTC"


def _english_remaining(time: timedelta) -> str:
    count, unit = _in_words(time, ("day", "hour", "minute"))
    return f"about {count} {unit}{'' if count == 1 else 's'} left"


def _english_heartbeat(heartbeat: timedelta) -> str:
    minutes = _minutes(heartbeat)
    often = "minute" if minutes == 1 else f"{minutes} minutes"
    return (
        f"Somebody must say at least every {often} that they are looking into it, or the time to"
        " answer ends earlier: first a reminder is sent, and after as long again the request"
        " expires."
    )


def _japanese_heartbeat(heartbeat: timedelta) -> str:
    return (
        f"少なくとも{_minutes(heartbeat)}分ごとに、どなたかが検討中であることを知らせる必要があります。"
        "連絡がない場合は、回答期限より早く終了します。まず再通知を送り、"
        "その後も同じ時間連絡がなければ、依頼は失効します。"
    )


def _minutes(time: timedelta) -> int:
    return max(1, time // timedelta(minutes=1))


def _japanese_moment(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    weekday = "月火水木金土日"[utc.weekday()]
    return f"{utc.year}年{utc.month}月{utc.day}日（{weekday}）{utc:%H:%M}（協定世界時）"


def _japanese_remaining(time: timedelta) -> str:
    count, unit = _in_words(time, ("日", "時間", "分"))
    return f"残り約{count}{unit}"


def _in_words(time: timedelta, units: tuple[str, str, str]) -> tuple[int, str]:
    """How long, in the largest unit of which there are a few; never more than there is."""
    sizes = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1))
    for size, unit in zip(sizes, units, strict=True):
        if time >= _FEW * size:
            return time // size, unit
    return max(1, time // sizes[-1]), units[-1]


ENGLISH = Words(
    kinds={Kind.APPROVAL: "Your decision is needed", Kind.VERIFICATION: "Please confirm"},
    buttons={
        Answer.APPROVE: "Approve",
        Answer.REJECT: "Reject",
        Answer.VERIFY: "Confirm my e-mail address",
        DELEGATE: "Pass it on",
        HEARTBEAT: "I am looking into it",
    },
    said={
        Answer.APPROVE: "Approved",
        Answer.REJECT: "Rejected",
        Answer.VERIFY: "Confirmed",
        Answer.UNREACHABLE: "Nobody could be asked",
    },
    messages={
        State.ANSWERED: Message(
            "Your answer is recorded",
            "Thank you. This is what was recorded; it cannot be changed any more.",
            "You can close this page.",
        ),
        State.PASSED_ON: Message(
            "You passed this on",
            "Somebody else is asked in your place, and gets a link of their own by e-mail.",
            "You can close this page.",
        ),
        State.DECIDED: Message(
            "This is decided",
            "An answer is not needed any more.",
            "You can close this page.",
        ),
        State.ANSWERED_BEFORE: Message(
            "You have already answered",
            "Your first answer counts. What you sent now changed nothing.",
            "If your first answer was a mistake, tell the person who sent the request.",
        ),
        State.PASSED_ON_BEFORE: Message(
            "You passed this on before",
            "Somebody else is asked in your place. What you sent now changed nothing.",
            "If you should answer after all, tell the person whom you passed it on to.",
        ),
        State.DECIDED_BEFORE: Message(
            "This was already decided",
            "Somebody else was quicker. Your answer was not counted.",
            "If you do not agree, tell the person who sent the request.",
        ),
        State.LATE: Message(
            "It is too late to answer",
            "The time to answer is over, or the request was withdrawn.",
            "If an answer is still needed, ask for a new request.",
        ),
        State.EXPIRED_LINK: Message(
            "This link has expired",
            "It could be used only for a limited time, and that time is over.",
            "If an answer is still needed, ask for a new request.",
        ),
        State.TAMPERED_LINK: Message(
            "This link is not valid",
            "It is not the link that was sent: a part of it was changed. Nothing was recorded as"
            " an answer.",
            "Open the link from the original message again. If it leads here, ask for a new"
            " request.",
        ),
        State.UNKNOWN: Message(
            "There is nothing here",
            "The link is incomplete, or what it was for does not exist any more.",
            "Open the link from the original message again, or copy it as a whole.",
        ),
        State.BAD_FORM: Message(
            "Your answer could not be read",
            "What was sent is not what this page sends. Nothing was recorded.",
            "Open the link from the original message again.",
        ),
        State.TOO_LARGE: Message(
            "Your answer is too long",
            "More was sent than this page takes. Nothing was recorded.",
            "Open the link from the original message again, and write a shorter comment.",
        ),
        State.NOT_A_FORM: Message(
            "Your answer could not be read",
            "It was not sent as a form. Nothing was recorded.",
            "Open the link from the original message in a browser.",
        ),
        State.METHOD: Message(
            "This cannot be done here",
            "This page can only be looked at, or answered with its buttons.",
            "Open the link from the original message in a browser.",
        ),
        State.BUSY: Message(
            "Please try again in a moment",
            "There is a short disturbance.",
            "If you have just answered, open the link again to see whether your answer was"
            " recorded.",
        ),
        State.BROKEN: Message(
            "Something went wrong",
            "This is not your fault. The people who run this service are told.",
            "If you have just answered, open the link again to see whether your answer was"
            " recorded.",
        ),
    },
    messages_of_kind={
        (State.ANSWERED, Kind.VERIFICATION): Message(
            "Your e-mail address is confirmed",
            "Thank you. There is nothing more to do here.",
            "You can close this page.",
        ),
        (State.DECIDED, Kind.VERIFICATION): Message(
            "This is settled",
            "Your confirmation is not needed any more.",
            "You can close this page.",
        ),
        (State.ANSWERED_BEFORE, Kind.VERIFICATION): Message(
            "Your e-mail address is already confirmed",
            "It was confirmed before. There is nothing more to do.",
            "You can close this page.",
        ),
        (State.DECIDED_BEFORE, Kind.VERIFICATION): Message(
            "This was already settled",
            "Your confirmation is not needed any more.",
            "If you still want to join, sign up again.",
        ),
        (State.LATE, Kind.VERIFICATION): Message(
            "It is too late to confirm",
            "The time to confirm your e-mail address is over, or the request was withdrawn.",
            "If you still want to join, sign up again.",
        ),
    },
    problems={
        Problem.UNREADABLE: "What was sent is not what this page sends. Please try again.",
        Problem.NOT_OFFERED: "This answer is not offered here. Please choose one of the buttons.",
        Problem.COMMENT_TOO_LONG: "Your comment is too long: it may have at most"
        f" {MAX_COMMENT_LENGTH:,} characters. Please shorten it and answer again.",
        Problem.NAME_MISSING: "Please enter your name, so that it is known who answered.",
        Problem.NAME_TOO_LONG: f"Your name may have at most {MAX_NAME_LENGTH} characters.",
        Problem.NO_ADDRESS: "Please enter one e-mail address, such as ann@example.com.",
        Problem.NOT_PASSED_ON: "It could not be passed on to this address. It must belong to the"
        " same organization as the people who are asked, and not be asked already.",
        Problem.TOO_LARGE: "More was sent than this page takes. Please write a shorter comment.",
        Problem.NOT_A_FORM: "It was not sent as a form. Please use the buttons.",
    },
    error="Error",
    asked="Asked",
    until="Answer by",
    rule="Needed",
    rule_of=lambda needed, seats: f"{needed} of {seats} people must approve",
    counted=lambda yes, needed: f"{yes} of {needed} approvals so far",
    answer="Answer",
    by="By",
    at="When",
    comment_given="Comment",
    passed_on_to="Passed on to",
    everybody_in_channel="Everybody in the channel",
    one_of_those_asked="One of the people who were asked",
    operator="An operator of this service",
    mail_service="The mail service: the messages could not be delivered",
    from_channel=lambda name: f"{name} (from the channel)",
    your_answer="Your answer",
    only_shows="This link only shows the request. Those who are asked have links of their own.",
    comment="Comment (optional)",
    comment_hint=f"At most {MAX_COMMENT_LENGTH:,} characters. If you reject, please say why.",
    name="Your name",
    name_hint="It is recorded with your answer.",
    delegate_summary="Pass this on to somebody else",
    delegate_label="Their e-mail address",
    delegate_hint="They are asked in your place, and you cannot answer any more.",
    heartbeat_rule=_english_heartbeat,
    heartbeat_summary="I need more time",
    heartbeat_hint="Say that you are looking into it, so that the request is kept waiting. The"
    " final time does not change.",
    heartbeat_noted="It is noted that somebody is looking into it.",
    details="What this is about",
    outcome="What was recorded",
    moment=_english_moment,
    remaining=_english_remaining,
)

JAPANESE = Words(
    kinds={Kind.APPROVAL: "ご判断をお願いします", Kind.VERIFICATION: "ご確認をお願いします"},
    buttons={
        Answer.APPROVE: "承認する",
        Answer.REJECT: "却下する",
        Answer.VERIFY: "メールアドレスを確認する",
        DELEGATE: "引き継ぐ",
        HEARTBEAT: "検討中であることを知らせる",
    },
    said={
        Answer.APPROVE: "承認",
        Answer.REJECT: "却下",
        Answer.VERIFY: "確認済み",
        Answer.UNREACHABLE: "どなたにも連絡できませんでした",
    },
    messages={
        State.ANSWERED: Message(
            "回答を受け付けました",
            "ありがとうございました。次の内容で記録しました。変更はできません。",
            "このページは閉じていただいて構いません。",
        ),
        State.PASSED_ON: Message(
            "ほかの方に引き継ぎました",
            "あなたの代わりにほかの方が回答します。その方には専用のリンクをメールで送ります。",
            "このページは閉じていただいて構いません。",
        ),
        State.DECIDED: Message(
            "この件は決定しました",
            "回答はもう必要ありません。",
            "このページは閉じていただいて構いません。",
        ),
        State.ANSWERED_BEFORE: Message(
            "すでに回答済みです",
            "最初の回答が有効です。今回の送信では何も変わっていません。",
            "最初の回答が誤りだった場合は、依頼者にご連絡ください。",
        ),
        State.PASSED_ON_BEFORE: Message(
            "すでにほかの方に引き継がれています",
            "あなたの代わりにほかの方が回答します。今回の送信では何も変わっていません。",
            "ご自身で回答する必要がある場合は、引き継いだ方にご連絡ください。",
        ),
        State.DECIDED_BEFORE: Message(
            "この件はすでに決定しています",
            "ほかの方が先に回答しました。今回の回答は反映されていません。",
            "決定に異議がある場合は、依頼者にご連絡ください。",
        ),
        State.LATE: Message(
            "回答の受け付けは終了しました",
            "回答期限が過ぎたか、依頼が取り下げられました。",
            "まだ回答が必要な場合は、新しい依頼を送るようお伝えください。",
        ),
        State.EXPIRED_LINK: Message(
            "このリンクの有効期限が切れています",
            "このリンクを利用できる期間は終了しました。",
            "まだ回答が必要な場合は、新しい依頼を送るようお伝えください。",
        ),
        State.TAMPERED_LINK: Message(
            "このリンクは無効です",
            "送信されたリンクと一部が異なります。回答は記録されていません。",
            "元のメッセージのリンクをもう一度開いてください。"
            "それでもこのページが表示される場合は、新しい依頼を送るようお伝えください。",
        ),
        State.UNKNOWN: Message(
            "ページが見つかりません",
            "リンクが途中で切れているか、対象の依頼がすでに存在しません。",
            "元のメッセージのリンクをもう一度開くか、リンク全体をコピーしてください。",
        ),
        State.BAD_FORM: Message(
            "回答を読み取れませんでした",
            "このページから送信された内容ではありません。何も記録されていません。",
            "元のメッセージのリンクをもう一度開いてください。",
        ),
        State.TOO_LARGE: Message(
            "回答が長すぎます",
            "受け付けられる量を超えています。何も記録されていません。",
            "元のメッセージのリンクをもう一度開き、コメントを短くしてください。",
        ),
        State.NOT_A_FORM: Message(
            "回答を読み取れませんでした",
            "フォームとして送信されていません。何も記録されていません。",
            "元のメッセージのリンクをブラウザーで開いてください。",
        ),
        State.METHOD: Message(
            "この操作はできません",
            "このページでできるのは、内容の確認とボタンによる回答だけです。",
            "元のメッセージのリンクをブラウザーで開いてください。",
        ),
        State.BUSY: Message(
            "しばらくしてからもう一度お試しください",
            "一時的に処理できない状態です。",
            "回答を送信した直後の場合は、リンクをもう一度開き、"
            "回答が記録されているかご確認ください。",
        ),
        State.BROKEN: Message(
            "問題が発生しました",
            "お客様の操作が原因ではありません。運用担当者に通知されます。",
            "回答を送信した直後の場合は、リンクをもう一度開き、"
            "回答が記録されているかご確認ください。",
        ),
    },
    messages_of_kind={
        (State.ANSWERED, Kind.VERIFICATION): Message(
            "メールアドレスを確認しました",
            "ありがとうございました。ほかに必要な操作はありません。",
            "このページは閉じていただいて構いません。",
        ),
        (State.DECIDED, Kind.VERIFICATION): Message(
            "この手続きは終了しています",
            "メールアドレスの確認はもう必要ありません。",
            "このページは閉じていただいて構いません。",
        ),
        (State.ANSWERED_BEFORE, Kind.VERIFICATION): Message(
            "メールアドレスはすでに確認済みです",
            "以前に確認が完了しています。ほかに必要な操作はありません。",
            "このページは閉じていただいて構いません。",
        ),
        (State.DECIDED_BEFORE, Kind.VERIFICATION): Message(
            "この手続きはすでに終了しています",
            "メールアドレスの確認はもう必要ありません。",
            "登録をご希望の場合は、もう一度お申し込みください。",
        ),
        (State.LATE, Kind.VERIFICATION): Message(
            "確認の受け付けは終了しました",
            "メールアドレスの確認期限が過ぎたか、手続きが取り下げられました。",
            "登録をご希望の場合は、もう一度お申し込みください。",
        ),
    },
    problems={
        Problem.UNREADABLE: "送信された内容を読み取れませんでした。もう一度お試しください。",
        Problem.NOT_OFFERED: "この回答は選べません。表示されているボタンから選んでください。",
        Problem.COMMENT_TOO_LONG: f"コメントは{MAX_COMMENT_LENGTH:,}文字以内で入力してください。"
        "短くしてから、もう一度回答してください。",
        Problem.NAME_MISSING: "回答者がわかるように、お名前を入力してください。",
        Problem.NAME_TOO_LONG: f"お名前は{MAX_NAME_LENGTH}文字以内で入力してください。",
        Problem.NO_ADDRESS: "ann@example.com のような形式で、メールアドレスを1つ入力してください。",
        Problem.NOT_PASSED_ON: "このアドレスには引き継げません。依頼先と同じ組織の、"
        "まだ依頼されていない方のアドレスを入力してください。",
        Problem.TOO_LARGE: "受け付けられる量を超えています。コメントを短くしてください。",
        Problem.NOT_A_FORM: "フォームとして送信されていません。"
        "表示されているボタンから回答してください。",
    },
    error="エラー",
    asked="回答者",
    until="回答期限",
    rule="決定の条件",
    rule_of=lambda needed, seats: f"{seats}人中{needed}人の承認",
    counted=lambda yes, needed: f"これまでに{needed}人中{yes}人が承認",
    answer="回答",
    by="回答した方",
    at="日時",
    comment_given="コメント",
    passed_on_to="引き継ぎ先",
    everybody_in_channel="チャンネルの皆さま",
    one_of_those_asked="依頼を受けた方のお一人",
    operator="このサービスの運用担当者",
    mail_service="メールサービス（メールを配信できませんでした）",
    from_channel=lambda name: f"{name}（チャンネルから）",
    your_answer="あなたの回答",
    only_shows="このリンクでは依頼の内容だけを確認できます。回答する方には別のリンクを送っています。",
    comment="コメント（任意）",
    comment_hint=f"{MAX_COMMENT_LENGTH:,}文字以内。却下する場合は、理由をご記入ください。",
    name="お名前",
    name_hint="回答とともに記録されます。",
    delegate_summary="ほかの方に引き継ぐ",
    delegate_label="引き継ぐ方のメールアドレス",
    delegate_hint="その方があなたの代わりに回答します。引き継いだあとは、ご自身では回答できません。",
    heartbeat_rule=_japanese_heartbeat,
    heartbeat_summary="もう少し時間が必要な場合",
    heartbeat_hint="検討中であることを知らせると、依頼は回答待ちのまま保たれます。"
    "最終的な回答期限は変わりません。",
    heartbeat_noted="検討中であることを記録しました。",
    details="依頼の内容",
    outcome="記録された内容",
    moment=_japanese_moment,
    remaining=_japanese_remaining,
)

WORDS: Mapping[Language, Words] = {Language.ENGLISH: ENGLISH, Language.JAPANESE: JAPANESE}
